/*
 * One hold on two counters, from the claim of its slot to the free slot:
 * take, extend, settle, commit, give back, send, reverse. The life of the
 * money of a request, with every process killed at every step.
 *
 * What is modelled
 *
 *   Counters. Two of them: 0 is an account, 1 is a key budget with a window.
 *   A counter is {avail, last}. It changes only by a double-word CAS, here a
 *   d_step; `last` names the slot, generation and step that made the value.
 *   The 16-byte read is two loads that may be torn (TORN).
 *
 *   Slots. One per worker and one that belongs to the writer. A slot's word is
 *   the fields state, gen, step, mask, ext, cur, sent, unsent; whatever
 *   changes it is one d_step. A loop "load the word, CAS the word" that reads
 *   nothing else is exact as one d_step, so help() and the changes of the word
 *   from SETTLED on are written that way. Where C stores without a CAS, the
 *   load and the store are two steps here.
 *
 *   Workers. Two. They take the counters crosswise. A request is refused and
 *   rolled back, or streamed, or answered in one piece:
 *     streamed      what the client took is charged; settles with sent = 1;
 *     one piece     settles with sent = 0, waits for the commit, sends.
 *                   Accepted: the owner frees the slot if nothing is left to
 *                   give back, else it sets sent. Nothing accepted, or the
 *                   client left during the wait: it sets unsent.
 *   Either may be extended by one unit on each counter.
 *
 *   Writer. Visits the slots in any order: commits, gives back, reverses,
 *   frees, reaps the slots of dead workers. A top-up (repeated until it is
 *   answered), rollovers of the window and a change of its limit are slots
 *   of its own.
 *
 *   Faults. kill -9 of a worker or the writer between any two steps; power
 *   loss with a cold start between any two steps.
 *
 * What is checked
 *
 *   I1  avail >= 0 on both counters (not with TAMT < 0 or RAISE < 0).
 *   I2  A charge is posted once per (slot, generation); so is its reversal,
 *       and only after the charge; a top-up's id and a window count once.
 *   I3  At every double-word CAS, per counter: avail + holds applied and not
 *       given back == balance + posted and not yet given back.
 *   I4  At the end, per counter: avail == balance == opening + top-ups - net
 *       charges; no hold is left and every slot is free.
 *   I5  When a slot becomes free nothing of it is taken, and its net charge
 *       (posted minus reversed) is what was delivered. A one-piece answer
 *       counts as delivered when its owner says so: marked means charged
 *       once; owner dead before the mark, or "unsent", means net 0.
 *   I6  0 <= balance after every posting, and the balance of counter 1 never
 *       exceeds its limit: what a window is charged never exceeds the limit,
 *       with reversals in it or not; it is the limit less what was charged
 *       in this window, whatever changed the limit in between.
 *   I7  A rollover leaves the balance at the limit. No step is confirmed
 *       outside of its phase.
 *   I8  Nothing is reversed while the owner lives and gave no verdict.
 *   I9  Nothing is given back before the entry that frees it is committed, and
 *       no answer in one piece is sent before its charge is committed (the
 *       latter not with RELAXED).
 *   I10 The audit's sum holds whenever the writer has finished a visit.
 *   I11 A word that is stored without a CAS is still what was loaded.
 *   +   No invalid end state; and with LIVE, under weak fairness, every run
 *       ends: no slot stays for ever, no worker never comes back, no top-up
 *       is never answered.
 *
 * Limits
 *
 *   k = 2. Sequentially consistent memory. One slot per worker, few requests,
 *   one top-up, one rollover. Holds of one unit and one extension to two, so
 *   the two cells of the total are the constants 1 and 2. Both counters are in
 *   one unit. Metering and delivery of a stream are one step. The counter that
 *   refused is not kept in the word, since no rule reads it again. Generations
 *   restart at a cold start (in C the boot epoch tells them apart).
 *
 * How to run
 *
 *   tests/model/run small, tests/model/run full, tests/model/run NAME...
 *   One setting by hand:
 *     spin -a -DKILLW=1 -DKILLL=1 hold.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 -DMEMLIM=6000 -o pan pan.c
 *     ./pan -m400000 -w24
 *   Settings are the names below; a mutant is -DM_NAME. README.md lists what
 *   each run proves and what it cost.
 */
#ifndef NW
#define NW 2 /* workers; slot NW is the writer's own */
#endif
#ifndef NR
#define NR 1 /* requests that each worker finishes */
#endif
#ifndef A0
#define A0 1 /* opening balance of counter 0 */
#endif
#ifndef A1
#define A1 1 /* limit of the window of counter 1 */
#endif
#ifndef EXTEND
#define EXTEND 0 /* 1: a request may be extended */
#endif
#ifndef PIECE
#define PIECE 1 /* answers in one piece: 0 none, 1 some, 2 all */
#endif
#ifndef RELAXED
#define RELAXED 0 /* 1: an answer may be sent before its commit */
#endif
#ifndef TORN
#define TORN 1 /* read of a counter: 0 whole, 1 avail first, 2 last first */
#endif
#ifndef TOPUP
#define TOPUP 0 /* 1: a top-up of TAMT units on counter 0 */
#endif
#ifndef TAMT
#define TAMT 1 /* -1: a negative credit */
#endif
#ifndef ROLL
#define ROLL 0 /* rollovers of the window of counter 1 */
#endif
#ifndef RAISE
#define RAISE 0 /* a change of the limit of counter 1, by so much */
#endif
#ifndef KILLW
#define KILLW 0 /* kills of workers */
#endif
#ifndef KILLL
#define KILLL 0 /* kills of the writer */
#endif
#ifndef POWER
#define POWER 0 /* power losses */
#endif
#define OWN NW
#define NS  (NW + 1)

#define FREE     0
#define ACQ      1 /* taking counter after counter; nothing went upstream */
#define BACK     2 /* refused or reaped: giving back, no posting */
#define HELD     3 /* all counters taken */
#define EXT      4 /* taking the extension */
#define XBK      5 /* extension refused: giving it back */
#define SETTLED  6 /* cost fixed */
#define DURABLE  7 /* charge committed; giving back total - cost */
#define REVERSED 8 /* reversal committed; giving back cost */

#define TAG(s, g, n) ((s) * 64 + (g) * 16 + (n))
#define OP_SLOT(o)   ((o) / 64)
#define OP_GEN(o)    ((o) % 64 / 16)
#define OP_STEP(o)   ((o) % 16)
#define NOTAG        255

/* Shared memory: the counters, the words of the slots, their fields. */
short avail[2]; byte last[2];
byte state[NS], gen[NS], step[NS], mask[NS], ext[NS];
bool cur[NS], sent[NS], unsent[NS];
short cost[NS]; byte deliv[NS];
bool own_ctr; /* the counter of the writer's own slot */
bool own_limit; /* which is a change of the limit */

/*
 * The database: balances; slotgen {generation + 1, phase, mask, window} of
 * each slot; the top-up's id; number and limit of the window of counter 1.
 */
short bal[2], limit;
byte sg_gen[NS]; bool sg_reversed[NS]; byte sg_mask[NS], sg_window[NS];
bool topup_known; byte window;

/* Processes: killed and not yet replaced, all requests done; kills so far. */
bool dead[NW], fin[NW], writer_killed, answered;
byte done[NW], kw, kl, pw;

/* Ghosts, which only claims read. */
bool paid[NS], undone[NS], gave_up[NS];
short held[2], owed[2], charged[2];

#define FINISHED                                                               \
	(fin[0] && fin[NW - 1] && state[0] == FREE && state[NW - 1] == FREE && \
	 state[OWN] == FREE && (answered || TOPUP == 0) &&                     \
	 window == ROLL && limit == A1 + RAISE)

/* The counter with index i of slot s: 0, 1 for slot 0 and 1, 0 for slot 1. */
#define CTR(s, i) ((s) == OWN -> own_ctr : (((s) + (i)) % 2))
#define SIDE(s, c) (((c) + (s)) % 2)

/* pending(word): the index of the counter of the next step, and is there one */
#define INDEX(s)                                                               \
	(state[s] == ACQ -> (mask[s] == 0 -> 0 : 1) :                          \
	 (state[s] == EXT -> (ext[s] == 0 -> 0 : 1) :                          \
	  (state[s] == XBK -> (ext[s] >= 2 -> 1 : 0) :                         \
	   (mask[s] >= 2 -> 1 : 0))))
#define GIVES(s)                                                               \
	((state[s] == XBK && ext[s] != 0) ||                                   \
	 ((state[s] == BACK || state[s] == DURABLE || state[s] == REVERSED) && \
	  mask[s] != 0))
#define PENDING(s)                                                             \
	(GIVES(s) || (state[s] == ACQ && mask[s] != 3) ||                      \
	 (state[s] == EXT && ext[s] != 3))

#define MORE(m) ((m) == 0 -> 1 : 3)
#define LESS(m) ((m) >= 2 -> (m) - 2 : 0)

/* M_ROLLSET, M_LIMITAVAIL: the slot that sets `available`, and must not. */
#ifdef M_LIMITAVAIL
#define SETS(s) ((s) == OWN && own_limit)
#else
#define SETS(s) ((s) == OWN && own_ctr && !own_limit)
#endif

/* The total held on counter i: `cur` says which cell, `ext` where the other. */
#ifdef M_ONETOTAL
#define TOTAL(s, i) (1 + cur[s])
#else
#define TOTAL(s, i) (((ext[s] >> (i)) & 1) -> 2 - cur[s] : 1 + cur[s])
#endif
#define AMOUNT(s)                                                              \
	(state[s] == XBK -> 1 :                                                \
	 ((state[s] == REVERSED || (s) == OWN) -> cost[s] :                    \
	  TOTAL(s, INDEX(s)) - cost[s]))

/* The number of the invariant comes first in what the checker prints. */
#define CLAIM(number, e) assert(number && (e))
#define CUT (TAMT < 0 || RAISE < 0)
#define CONSERVED(c)                                                           \
	CLAIM(1, avail[c] >= 0 || CUT);                                   \
	CLAIM(3, avail[c] + held[c] == bal[c] + owed[c])

/* The owner has exited, as the reaper knows it. */
#ifdef M_REAPLIVE
#define GONE(s) (dead[s] || state[s] == HELD)
#else
#define GONE(s) dead[s]
#endif
/* An answer that is neither sent nor going to be. `x`: owner seen dead. */
#ifdef M_REVLIVE
#define LOST(s, x) (!sent[s])
#else
#define LOST(s, x) (!sent[s] && (unsent[s] || (x)))
#endif
#ifdef M_FREEUNSENT
#define FREEABLE(s, x) (sent[s] || LOST(s, x))
#elif defined(M_ZEROLIVE)
#define FREEABLE(s, x) (sent[s] || cost[s] == 0)
#else
#define FREEABLE(s, x) (sent[s] || (LOST(s, x) && cost[s] == 0))
#endif
#ifdef M_REVMASK
#define REVERSIBLE(s, x) LOST(s, x)
#elif defined(M_DEADLATE)
#define REVERSIBLE(s, x) (mask[s] == 0 && !sent[s])
#else
#define REVERSIBLE(s, x) (mask[s] == 0 && LOST(s, x))
#endif
/*
 * There is something to do for the writer. This must be exact: a writer that
 * visits a stuck slot for ever would hide it from the check of end states.
 */
#if defined(M_DEADLATE) || defined(M_STALEGEN)
#define DURABLE_WORK(s) true
#else
#define DURABLE_WORK(s) (mask[s] != 0 || FREEABLE(s, 0) || LOST(s, 0))
#endif
#ifdef POACH
#define POACHABLE(s) (state[s] == BACK && mask[s] != 0)
#else
#define POACHABLE(s) false
#endif
#define WORK(s)                                                                \
	(state[s] == SETTLED || state[s] == REVERSED ||                        \
	 (state[s] == DURABLE && DURABLE_WORK(s)) ||                           \
	 (GONE(s) && state[s] != FREE) || POACHABLE(s))

inline word_clear(s)
{
	state[s] = FREE; step[s] = 0; mask[s] = 0; ext[s] = 0; cur[s] = 0;
	sent[s] = 0; unsent[s] = 0;
	cost[s] = 0; deliv[s] = 0;
	paid[s] = 0; undone[s] = 0; gave_up[s] = 0
}

inline word_free(s)
{
	CLAIM(5, mask[s] == 0 && (ext[s] == 0 || paid[s]));
	CLAIM(5, ((paid[s] && !undone[s]) -> cost[s] : 0) ==
		 (s == OWN -> cost[s] : deliv[s]));
	word_clear(s);
	gen[s] = gen[s] + 1
}

inline word_lose(s)
{
	word_clear(s);
	gen[s] = 0;
	sg_gen[s] = 0; sg_reversed[s] = 0; sg_mask[s] = 0; sg_window[s] = 0
}

/* Scratch variables go back to 0, so that equal states are seen as equal. */
#define FORGET v = 0; a = 0; o = 0; c = 0; n = 0; g = 0; ok = false

#include "steps.pml"

/* Ask for one more unit on each counter; `cur` tells whether it was granted. */
inline extend(w)
{
	state[w] = EXT;
	do
	:: ext[w] != 3 ->
		take(w);
		if :: !ok -> break :: else fi
	:: else -> break
	od;
	if
	:: ext[w] != 3 ->
		state[w] = XBK;
		do
		:: ext[w] != 0 -> give(w)
		:: else -> break
		od;
		state[w] = HELD
	:: else ->
		d_step { state[w] = HELD; cur[w] = 1 - cur[w]; ext[w] = 0 }
	fi
}

inline refuse(w)
{
#ifdef M_FREEFIRST
	d_step { mask[w] = 0; state[w] = BACK };
#elif defined(M_BACKUNAPPLIED)
	d_step { mask[w] = MORE(mask[w]); state[w] = BACK };
#else
	state[w] = BACK;
#endif
	do
	:: mask[w] != 0 -> give(w)
	:: else -> break
	od;
	skip;
	d_step { word_free(w); done[w] = done[w] + 1 }
}

#ifdef M_FREEMASK
#define LEFT_TO_OWNER(w) (state[w] == DURABLE)
#else
#define LEFT_TO_OWNER(w) (state[w] == DURABLE && mask[w] == 0)
#endif

/*
 * The socket took the answer. With nothing left to give back the word is the
 * owner's alone, so it may load and then store without a CAS.
 */
inline say_sent(w)
{
	if
	:: d_step { LEFT_TO_OWNER(w) -> n = step[w]; g = gen[w] };
		d_step {
			CLAIM(11, LEFT_TO_OWNER(w) && !sent[w] && !unsent[w] &&
				  step[w] == n && gen[w] == g);
			deliv[w] = cost[w];
			word_free(w);
			n = 0; g = 0
		}
	:: d_step {
		!LEFT_TO_OWNER(w) ->
		sent[w] = 1;
		deliv[w] = cost[w]
	   }
	fi
}

/* The socket took nothing, and never will. */
inline say_unsent(w)
{
	d_step { unsent[w] = 1; gave_up[w] = 1 }
}

/* A streamed answer: charged is what the client took of it. */
inline stream(w)
{
	if
	:: skip
	:: deliv[w] = 1;
#if EXTEND
		if
		:: skip
		:: extend(w);
			if :: cur[w] -> deliv[w] = 2 :: else fi
		fi;
#endif
		skip
	fi;
	d_step { cost[w] = deliv[w]; ok = false };
	d_step { state[w] = SETTLED; sent[w] = 1; done[w] = done[w] + 1 }
}

/* An answer in one piece: it may be free, and nothing of it is sent yet. */
inline piece(w)
{
#if EXTEND
	if :: skip :: extend(w) fi;
#endif
	if
	:: cost[w] = 0
	:: d_step { cost[w] = 1 + cur[w]; ok = false }
	fi;
	d_step { state[w] = SETTLED; done[w] = done[w] + 1; ok = false };
	if
#if RELAXED
	:: skip -> say_sent(w)
#endif
	:: say_unsent(w) /* the client left during the wait */
	:: state[w] == DURABLE ->
		CLAIM(9, paid[w]);
		if
		:: skip -> say_sent(w)
		:: say_unsent(w)
		fi
	fi
}

proctype Worker(byte w)
{
	short v, a;
	byte o, c, n, g;
	bool ok;
#ifdef M_PLAINCONFIRM
	bool was_sent, was_unsent;
#endif
again:
	{
		do
		:: done[w] < NR ->
			d_step { state[w] == FREE -> state[w] = ACQ };
			do
			:: mask[w] != 3 ->
				take(w);
				if :: !ok -> break :: else fi
			:: else -> break
			od;
			if
			:: mask[w] != 3 -> refuse(w)
			:: else ->
				d_step { state[w] = HELD; ok = false };
				if
#if PIECE < 2
				:: stream(w)
#endif
#if PIECE > 0
				:: piece(w)
#endif
				fi
			fi
		:: else -> break
		od;
		fin[w] = true;
		goto out
	} unless { dead[w] };
	(state[w] == FREE);
	d_step { dead[w] = false; FORGET };
	goto again;
out:
	skip
}

/*
 * A dead owner's slot before its settlement: load the word, then `last` of the
 * counter of its pending step, then CAS the word against the first load.
 */
inline reap(s)
{
	d_step {
		n = step[s];
#ifdef M_ONEOP
		c = 0
#else
		c = CTR(s, INDEX(s))
#endif
	};
	o = last[c];
	d_step {
		if
#ifndef M_NORECHECK
		:: step[s] != n -> skip
#endif
		:: PENDING(s) && o == TAG(s, gen[s], n + 1) && step[s] == n ->
			word_next(s)
#ifdef M_NORECHECK
		:: step[s] != n && state[s] == ACQ && n == 0 ->
			mask[s] = 0;
			word_free(s)
		:: step[s] != n && state[s] == ACQ && n == 1 ->
			mask[s] = 1;
			state[s] = BACK
#endif
		:: else ->
			if
			:: state[s] == ACQ && mask[s] == 0 -> word_free(s)
			:: state[s] == ACQ && mask[s] != 0 -> state[s] = BACK
			:: else ->
				cost[s] = deliv[s];
#ifndef M_REAPUNSENT
				sent[s] = 1;
#endif
				state[s] = SETTLED
			fi
		fi;
		o = 0; c = 0; n = 0
	}
}

#ifdef M_STALEGEN
#define LOOKED(s)     g = gen[s]
#define COMMIT_GEN(s) g
#else
#define LOOKED(s)     skip
#define COMMIT_GEN(s) gen[s]
#endif

/*
 * Not rules: with W_NAME the claim is that a situation never comes, which must
 * be refuted. It shows that the searches above go through it.
 */
#ifdef W_HELDOVER
#define SEEN_OVER (avail[1] + cost[OWN] == limit) /* nothing is held over it */
#else
#define SEEN_OVER true
#endif
#ifdef W_DEBT
#define SEEN_DEBT (avail[1] + cost[OWN] >= 0)
#else
#define SEEN_DEBT true
#endif
#ifdef W_LATE
#define SEEN_LATE(s) (window - sg_window[s] < W_LATE)
#else
#define SEEN_LATE(s) true
#endif

/* The transaction of a settled slot. */
inline commit(s)
{
	d_step {
		if
#ifdef M_NODEDUP
		:: true ->
#else
		:: sg_gen[s] < COMMIT_GEN(s) + 1 ->
#endif
			sg_gen[s] = gen[s] + 1;
			sg_reversed[s] = false;
			sg_mask[s] = 0;
			sg_window[s] = window;
			CLAIM(2, !paid[s]);
			paid[s] = true;
			if
			:: s < NW ->
				bal[0] = bal[0] - cost[s];
				bal[1] = bal[1] - cost[s];
				charged[0] = charged[0] + cost[s];
				charged[1] = charged[1] + cost[s];
				owed[0] = owed[0] + cost[s];
				owed[1] = owed[1] + cost[s];
				CLAIM(6, bal[0] >= 0 || TAMT < 0);
				CLAIM(6, bal[1] >= 0 || RAISE < 0);
				CLAIM(6, bal[1] == limit - charged[1])
#ifdef M_NOIDEM
			:: s == OWN && own_ctr == 0 ->
#else
			:: s == OWN && own_ctr == 0 && topup_known ->
				cost[OWN] = 0
			:: s == OWN && own_ctr == 0 && !topup_known ->
#endif
				cost[OWN] = TAMT;
				bal[0] = bal[0] + TAMT;
				owed[0] = owed[0] - TAMT;
				topup_known = true
			:: s == OWN && own_ctr == 1 && !own_limit ->
#ifndef M_ROLLSTALE
				cost[OWN] = limit - bal[1];
#endif
				bal[1] = bal[1] + cost[OWN];
				owed[1] = owed[1] - cost[OWN];
				window = window + 1;
				charged[1] = 0;
				CLAIM(7, bal[1] == limit);
				CLAIM(12, SEEN_OVER)
			:: s == OWN && own_limit ->
#ifdef M_LIMITSET
				cost[OWN] = A1 + RAISE - bal[1];
#else
				cost[OWN] = A1 + RAISE - limit;
#endif
				bal[1] = bal[1] + cost[OWN];
				owed[1] = owed[1] - cost[OWN];
				limit = A1 + RAISE;
				CLAIM(6, bal[1] == limit - charged[1]);
				CLAIM(12, SEEN_DEBT)
			fi
		:: else
		fi
	}
}

#ifdef M_REVWINDOW
#define REVERSAL_MASK(s) 3
#elif defined(M_WINDOWODD)
#define REVERSAL_MASK(s)                                                       \
	((sg_window[s] + window) % 2 == 0 -> 3 : 1 + SIDE(s, 0))
#else
#define REVERSAL_MASK(s) (sg_window[s] == window -> 3 : 1 + SIDE(s, 0))
#endif

/* The transaction of a reversal; `g` is the generation of the decision. */
inline reverse(s)
{
	d_step {
		if
#ifdef M_NOPHASE
		:: true ->
#else
		:: !sg_reversed[s] ->
#endif
			CLAIM(2, sg_gen[s] == g + 1 && paid[s] && !undone[s]);
			CLAIM(8, gen[s] == g && state[s] == DURABLE);
			CLAIM(8, dead[s] || gave_up[s]);
			CLAIM(5, deliv[s] == 0);
			sg_reversed[s] = true;
			sg_mask[s] = REVERSAL_MASK(s);
			undone[s] = true;
			bal[0] = bal[0] + cost[s];
			owed[0] = owed[0] - cost[s];
			charged[0] = charged[0] - cost[s];
			if
			:: (sg_mask[s] >> SIDE(s, 1)) & 1 ->
				bal[1] = bal[1] + cost[s];
				owed[1] = owed[1] - cost[s];
				charged[1] = charged[1] - cost[s]
			:: else
			fi;
			CLAIM(6, bal[1] <= limit &&
				 bal[1] == limit - charged[1]);
			CLAIM(12, SEEN_LATE(s))
		:: else
		fi
	}
}

/* Reverse the charge of slot s, then mark it. */
inline undo(s)
{
#ifdef M_REVEARLY
	d_step { state[s] = REVERSED; mask[s] = 3 }
#else
	reverse(s);
	d_step {
		state[s] = REVERSED;
#ifdef M_MASKANEW
		mask[s] = REVERSAL_MASK(s)
#else
		mask[s] = sg_mask[s]
#endif
	}
#endif
}

/* What slot s still has of counter c, by its word and `last` alone. */
#define UNCONFIRMED(s, c) (last[c] == TAG(s, gen[s], step[s] + 1))
#define HAS(s, c)         ((mask[s] >> SIDE(s, c)) & 1)
#define SHARE(s, c)                                                            \
	((state[s] == REVERSED -> cost[s] :                                    \
	  TOTAL(s, SIDE(s, c)) - (state[s] == DURABLE -> cost[s] : 0)))
#define OPEN(s, c)                                                             \
	(HAS(s, c) * SHARE(s, c) +                                             \
	 (UNCONFIRMED(s, c) ->                                                 \
	  ((state[s] == ACQ || state[s] == EXT) -> 1 :                         \
	   (state[s] == XBK -> -1 : -SHARE(s, c))) : 0))
#define OWN_OPEN(c)                                                            \
	((state[OWN] == DURABLE && mask[OWN] != 0 && own_ctr == (c) &&         \
	  !UNCONFIRMED(OWN, c)) -> cost[OWN] : 0)
/* A kill between a commit and its mark: the audit waits for the redo. */
#define UNMARKED(s)                                                            \
	((state[s] == SETTLED && sg_gen[s] == gen[s] + 1) ||                   \
	 (state[s] == DURABLE && undone[s]))
#ifdef NOAUDIT
#define AUDIT(c) skip
#else
#define AUDIT(c)                                                               \
	CLAIM(10, avail[c] + OPEN(0, c) + (NW > 1 -> OPEN(NW - 1, c) : 0) +    \
			  OWN_OPEN(c) == bal[c])
#endif

proctype Writer()
{
	short v, a;
	byte s, o, c, n, g;
	bool ok, x;
#if defined(M_PLAINDURABLE) || defined(M_PLAINCONFIRM)
	bool was_sent, was_unsent;
#endif
again:
	{
		do
		/* The owner's exit is looked at first, the word after it. */
		:: if
		   :: d_step { WORK(0) -> s = 0; x = GONE(0); LOOKED(0) }
#if NW > 1
		   :: d_step { WORK(1) -> s = 1; x = GONE(1); LOOKED(1) }
#endif
		   :: d_step { state[OWN] != FREE -> s = OWN }
#if TOPUP
		   :: d_step {
			!answered && state[OWN] == FREE && gen[OWN] < 4 ->
			state[OWN] = SETTLED; sent[OWN] = 1; mask[OWN] = 1;
			own_ctr = 0; s = OWN
		      }
#endif
#if ROLL
		   :: d_step {
			window < ROLL && state[OWN] == FREE && gen[OWN] < 4 ->
			state[OWN] = SETTLED; sent[OWN] = 1; mask[OWN] = 1;
			own_ctr = 1; own_limit = 0;
#ifdef M_ROLLSTALE
			cost[OWN] = limit - bal[1];
#endif
			s = OWN
		      }
#endif
#if RAISE
		   :: d_step {
			limit != A1 + RAISE && state[OWN] == FREE &&
			gen[OWN] < 4 ->
			state[OWN] = SETTLED; sent[OWN] = 1; mask[OWN] = 1;
			own_ctr = 1; own_limit = 1; s = OWN
		      }
#endif
		   :: FINISHED -> goto finish
		   fi;
		   if
		   :: x && (state[s] == ACQ || state[s] == HELD ||
			    state[s] == EXT || state[s] == XBK) ->
			reap(s)
#ifdef POACH
		   :: s < NW && state[s] == BACK && mask[s] != 0 -> give(s)
#else
		   :: x && state[s] == BACK && mask[s] != 0 -> give(s)
#endif
		   :: x && state[s] == BACK && mask[s] == 0 ->
			d_step { word_free(s) }
		   :: d_step {
			state[s] == SETTLED ->
#ifdef M_PLAINDURABLE
			was_sent = sent[s];
			was_unsent = unsent[s]
#else
			skip
#endif
		      };
			commit(s);
			d_step {
#ifdef M_PLAINDURABLE
				sent[s] = was_sent;
				unsent[s] = was_unsent;
#endif
				state[s] = DURABLE
			}
		   :: GIVES(s) && (state[s] == DURABLE || state[s] == REVERSED)
			-> give(s)
		   :: d_step {
			state[s] == DURABLE && mask[s] == 0 &&
			FREEABLE(s, x) ->
			n = step[s];
			g = gen[s];
			ok = (s == OWN && own_ctr == 0)
		      };
			d_step {
				CLAIM(11, state[s] == DURABLE &&
					  FREEABLE(s, x) && step[s] == n &&
					  gen[s] == g);
				word_free(s)
			};
			if :: ok -> answered = true :: else fi
#ifndef M_FREEUNSENT
		   :: d_step {
			state[s] == DURABLE && REVERSIBLE(s, x) && cost[s] != 0 ->
			g = gen[s]
		      };
#ifdef M_DEADLATE
			if
			:: LOST(s, dead[s]) -> undo(s)
			:: else
			fi
#else
			undo(s)
#endif
#endif
		   :: state[s] == REVERSED && mask[s] == 0 ->
#ifdef M_REVEARLY
			g = gen[s];
			reverse(s);
#endif
			d_step { word_free(s) }
		   :: else -> skip
		   fi;
		   d_step {
			FORGET;
			s = 0;
			x = false;
			if
			:: !UNMARKED(0) && !UNMARKED(NW - 1) &&
			   !UNMARKED(OWN) ->
				AUDIT(0);
				AUDIT(1)
			:: else
			fi
		   }
		od
	} unless { writer_killed };
	d_step { writer_killed = false; FORGET; s = 0; x = false };
	goto again;
finish:
	skip;
	d_step {
		CLAIM(4, avail[0] == bal[0] && avail[1] == bal[1]);
		CLAIM(4, bal[0] == A0 + TOPUP * TAMT - charged[0]);
		CLAIM(4, bal[1] == limit - charged[1]);
		CLAIM(4, held[0] == 0 && held[1] == 0);
		CLAIM(4, owed[0] == 0 && owed[1] == 0)
	}
}

proctype Chaos()
{
	do
#if KILLW > 0
	:: d_step { kw < KILLW && !fin[0] && !dead[0] -> kw++; dead[0] = true }
#if NW > 1
	:: d_step { kw < KILLW && !fin[1] && !dead[1] -> kw++; dead[1] = true }
#endif
#endif
#if KILLL > 0
	:: d_step {
		kl < KILLL && !writer_killed && !FINISHED ->
		kl++;
		writer_killed = true
	   }
#endif
#if POWER > 0
	/* The power fails and comes back: shared memory and processes anew. */
	:: d_step {
		pw < POWER && !FINISHED ->
		pw++;
		avail[0] = bal[0]; last[0] = NOTAG; held[0] = 0; owed[0] = 0;
		avail[1] = bal[1]; last[1] = NOTAG; held[1] = 0; owed[1] = 0;
		own_ctr = 0; own_limit = 0;
		word_lose(0);
		dead[0] = !fin[0];
#if NW > 1
		word_lose(1);
		dead[1] = !fin[1];
#endif
		word_lose(OWN);
		writer_killed = true
	   }
#endif
	:: FINISHED -> break
	od
}

#ifdef LIVE
ltl ends { <> FINISHED }
#endif

init {
	d_step {
		avail[0] = A0; bal[0] = A0; last[0] = NOTAG;
		avail[1] = A1; bal[1] = A1; last[1] = NOTAG;
		limit = A1
	};
	atomic {
		run Writer();
		run Worker(0);
#if NW > 1
		run Worker(1);
#endif
		run Chaos()
	};
end_init:
	false
}
