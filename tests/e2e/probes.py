"""What clients may ask for beside their words: the field's name, the members
of the body, and the name the witness has for it (tests/providers)."""

CHAT = (
    ('temperature', {'temperature': 0.7}, 'temperature'),
    ('top_p', {'top_p': 0.9}, 'top_p'),
    ('max_tokens', {'max_tokens': 99}, 'max'),
    ('stop', {'stop': 'END'}, 'stop'),
    ('seed', {'seed': 7}, 'seed'),
    ('presence_penalty', {'presence_penalty': 0.5}, 'presence'),
    ('frequency_penalty', {'frequency_penalty': 0.5}, 'frequency'),
    ('logprobs', {'logprobs': True}, 'logprobs'),
    ('logit_bias', {'logit_bias': {'1': 5}}, 'bias'),
    ('n', {'n': 2}, 'n'),
    ('user', {'user': 'u-1'}, 'user'),
    ('metadata', {'metadata': {'a': 'b'}}, 'metadata'),
    ('service_tier', {'service_tier': 'auto'}, 'tier'),
    ('verbosity', {'verbosity': 'low'}, 'verbosity'),
    ('reasoning_effort', {'reasoning_effort': 'low'}, 'thinking'),
    ('prompt_cache_key', {'prompt_cache_key': 'k'}, 'cache_key'),
    ('store', {'store': True}, 'store'),
)
RESPONSES = (
    ('temperature', {'temperature': 0.7}, 'temperature'),
    ('top_p', {'top_p': 0.9}, 'top_p'),
    ('max_output_tokens', {'max_output_tokens': 99}, 'max'),
    ('user', {'user': 'u-1'}, 'user'),
    ('metadata', {'metadata': {'a': 'b'}}, 'metadata'),
    ('service_tier', {'service_tier': 'auto'}, 'tier'),
    ('text.verbosity', {'text': {'verbosity': 'low'}}, 'verbosity'),
    ('reasoning', {'reasoning': {'effort': 'low'}}, 'thinking'),
    ('prompt_cache_key', {'prompt_cache_key': 'k'}, 'cache_key'),
    ('store', {'store': True}, 'store'),
)
MESSAGES = (
    ('temperature', {'temperature': 0.7}, 'temperature'),
    ('top_p', {'top_p': 0.9}, 'top_p'),
    ('top_k', {'top_k': 40}, 'top_k'),
    ('max_tokens', {'max_tokens': 99}, 'max'),
    ('stop_sequences', {'stop_sequences': ['END']}, 'stop'),
    ('metadata.user_id', {'metadata': {'user_id': 'u-1'}}, 'user'),
    ('service_tier', {'service_tier': 'auto'}, 'tier'),
    ('thinking', {'thinking': {'type': 'enabled', 'budget_tokens': 1024}},
     'thinking'),
    ('cache_control', {'system': [{
        'type': 'text', 'text': 'Be terse.',
        'cache_control': {'type': 'ephemeral'}}]}, 'marks'),
)


def config(**members):
    return {'generationConfig': members}


GEMINI = (
    ('temperature', config(temperature=0.7), 'temperature'),
    ('topP', config(topP=0.9), 'top_p'),
    ('topK', config(topK=40), 'top_k'),
    ('maxOutputTokens', config(maxOutputTokens=99), 'max'),
    ('stopSequences', config(stopSequences=['END']), 'stop'),
    ('seed', config(seed=7), 'seed'),
    ('presencePenalty', config(presencePenalty=0.5), 'presence'),
    ('frequencyPenalty', config(frequencyPenalty=0.5), 'frequency'),
    ('responseLogprobs', config(responseLogprobs=True), 'logprobs'),
    ('candidateCount', config(candidateCount=2), 'n'),
    ('thinkingConfig', config(thinkingConfig={'thinkingBudget': 1024}),
     'thinking'),
    ('safetySettings', {'safetySettings': [{
        'category': 'HARM_CATEGORY_HARASSMENT',
        'threshold': 'BLOCK_NONE'}]}, 'safety'),
)
PROBES = {'chat': CHAT, 'responses': RESPONSES, 'messages': MESSAGES,
          'gemini': GEMINI}
