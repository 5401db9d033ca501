/*
 * The steps: every change of a counter, and what confirms it. Shared by
 * hold.pml (slots of two counters) and cap.pml (slots of one to three, several
 * of them a request). What the words hold, which counter is next and how much
 * is held is said by the file that includes this one.
 */
/* next(word): the one effect of confirming a step, whoever confirms it */
inline word_next(s)
{
	step[s] = step[s] + 1;
	if
	:: state[s] == ACQ -> mask[s] = MORE(mask[s])
	:: state[s] == EXT -> ext[s] = MORE(ext[s])
	:: state[s] == XBK -> ext[s] = LESS(ext[s])
#ifdef M_ONERELEASED
	:: state[s] == DURABLE -> mask[s] = 0
#else
	:: state[s] == DURABLE -> mask[s] = LESS(mask[s])
#endif
	:: state[s] == BACK || state[s] == REVERSED -> mask[s] = LESS(mask[s])
	:: else -> CLAIM(7, false)
	fi
}

inline help(o)
{
	if
	:: o != NOTAG && gen[OP_SLOT(o)] == OP_GEN(o) &&
	   step[OP_SLOT(o)] + 1 == OP_STEP(o) ->
		word_next(OP_SLOT(o))
	:: else
	fi
}

#if TORN == 0
#define READ(c) d_step { v = avail[c]; o = last[c] }
#elif TORN == 1
#define READ(c) v = avail[c]; o = last[c]
#else
#define READ(c) o = last[c]; v = avail[c]
#endif
#ifdef M_HALFCAS
#define UNCHANGED(c) (avail[c] == v)
#else
#define UNCHANGED(c) (avail[c] == v && last[c] == o)
#endif

/* Take one unit for the pending step of slot w. The owner alone does this. */
inline take(w)
{
	d_step { ok = false; n = step[w]; c = CTR(w, INDEX(w)) };
#ifdef M_STEPFIRST
	d_step { word_next(w) };
#endif
	do
	:: READ(c);
		if
		:: v < 1 -> break
		:: else ->
#ifndef M_NOHELP_TAKE
			d_step { help(o) };
#endif
			d_step {
				if
				:: UNCHANGED(c) ->
					avail[c] = v - 1;
					last[c] = TAG(w, gen[w], n + 1);
					ok = true;
					held[c] = held[c] + 1;
					CONSERVED(c)
				:: else
				fi;
				v = 0; o = 0
			};
			if :: ok -> break :: else fi
		fi
	od;
	skip;
	d_step {
		if
		:: ok && step[w] == n -> word_next(w)
#ifdef M_STEPFIRST
		:: !ok && state[w] == ACQ -> mask[w] = LESS(mask[w])
		:: !ok && state[w] != ACQ -> ext[w] = LESS(ext[w])
#endif
		:: else
		fi;
		v = 0; o = 0; c = 0; n = 0
	}
}

/*
 * Apply the pending give-back of slot s once, whoever does it and however
 * often. One load of the word decides the step, the counter and the amount.
 */
inline give(s)
{
	d_step {
#ifdef M_TWOLOADS
		ok = false;
#else
		ok = !GIVES(s);
#endif
#ifdef M_PLAINCONFIRM
		was_sent = sent[s];
		was_unsent = unsent[s];
#endif
		n = (ok -> 255 : step[s]);
		g = gen[s];
		c = CTR(s, INDEX(s));
		a = AMOUNT(s)
	};
	do
	:: ok -> break
	:: else ->
		READ(c);
#ifdef M_NOHELP_BACK
		d_step {
			if
			:: o == TAG(s, gen[s], n + 1) && step[s] == n ->
				word_next(s)
			:: else
			fi;
			ok = (step[s] != n)
		};
#elif defined(M_RELTWICE)
		d_step { help(o) };
#else
		d_step { help(o); ok = (step[s] != n || gen[s] != g) };
#endif
		if :: ok -> break :: else fi;
#ifdef M_TORN
		avail[c] = v + a;
		d_step {
			if
			:: true ->
#else
		d_step {
			if
			:: UNCHANGED(c) ->
#if defined(M_ROLLSET) || defined(M_LIMITAVAIL)
				if
				:: SETS(s) -> a = limit - v
				:: else
				fi;
#endif
				avail[c] = v + a;
#endif
				last[c] = TAG(s, g, n + 1);
				ok = true;
				if
				:: state[s] == XBK -> held[c] = held[c] - 1
				:: state[s] == REVERSED ->
					CLAIM(9, undone[s]);
					owed[c] = owed[c] + a
				:: state[s] != XBK && s == OWN ->
					CLAIM(9, paid[s]);
					owed[c] = owed[c] + a
				:: else ->
					CLAIM(9, paid[s] == (state[s] == DURABLE));
					held[c] = held[c] - TOTAL(s, INDEX(s));
					owed[c] = owed[c] - cost[s]
				fi;
				CONSERVED(c)
			:: else
			fi;
			v = 0; o = 0
		};
		if :: ok -> break :: else fi
	od;
	skip;
	d_step {
		if
		:: step[s] == n && gen[s] == g ->
			word_next(s)
#ifdef M_PLAINCONFIRM
			;
			sent[s] = was_sent;
			unsent[s] = was_unsent
#endif
		:: else
		fi;
		FORGET
	}
}
