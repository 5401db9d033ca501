/* GET /metrics: the Prometheus text format 0.0.4. */
#include "admin/metrics_page.h"

#include "shm/metrics.h"

struct printer {
	struct buf *out;
	const struct metric_family *family; /* whose head was printed */
};

static void
put_escaped(struct buf *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_add_cstr(out, "\\n");
		else if (*text == '\\')
			buf_add_cstr(out, "\\\\");
		else if (*text == '"' && quotes)
			buf_add_cstr(out, "\\\"");
		else
			buf_add_char(out, *text);
	}
}

static void
put_head(struct printer *p, const struct metric_family *f)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	if (p->family == f)
		return;
	p->family = f;
	buf_printf(p->out, "# HELP %s ", f->name);
	put_escaped(p->out, f->help, false);
	buf_printf(p->out, "\n# TYPE %s %s\n", f->name, types[f->type]);
}

/* name_suffix{labels,le="..."} and a blank. */
static void
put_name(struct printer *p, const struct metric_sample *s, const char *suffix,
	 const char *le)
{
	const char *sep = "{";

	buf_printf(p->out, "%s%s", s->family->name, suffix);
	for (uint32_t i = 0; i < s->n_labels; i++) {
		buf_printf(p->out, "%s%s=\"", sep, s->label[i].name);
		put_escaped(p->out, s->label[i].value, true);
		buf_add_char(p->out, '"');
		sep = ",";
	}
	if (le) {
		buf_printf(p->out, "%sle=\"%s\"", sep, le);
		sep = ",";
	}
	if (*sep == ',')
		buf_add_char(p->out, '}');
	buf_add_char(p->out, ' ');
}

/* value / 10^digits, exactly, without zeros at its end. */
static void
put_decimal(struct buf *out, int64_t value, unsigned digits)
{
	uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	uint64_t unit = 1, rest;

	for (unsigned i = 0; i < digits; i++)
		unit *= 10;
	if (value < 0)
		buf_add_char(out, '-');
	buf_add_u64(out, u / unit);
	rest = u % unit;
	if (rest != 0)
		buf_add_char(out, '.');
	for (unit /= 10; rest != 0; unit /= 10) {
		buf_add_char(out, (char)('0' + rest / unit));
		rest %= unit;
	}
}

static void
put_histogram(struct printer *p, const struct metric_sample *s)
{
	for (uint32_t i = s->first_bound; i <= s->last_bound; i++) {
		CLEANUP(buf_free) struct buf le = BUF_INIT;

		put_decimal(&le, hist_bounds_us[i], 6);
		buf_add_char(&le, '\0');
		put_name(p, s, "_bucket", le.failed ? "" : le.p);
		buf_add_u64(p->out, s->cumulative[i]);
		buf_add_char(p->out, '\n');
	}
	put_name(p, s, "_bucket", "+Inf");
	buf_add_u64(p->out, s->count);
	buf_add_char(p->out, '\n');
	put_name(p, s, "_sum", NULL);
	put_decimal(p->out, (int64_t)s->sum_us, 6);
	buf_add_char(p->out, '\n');
	put_name(p, s, "_count", NULL);
	buf_add_u64(p->out, s->count);
	buf_add_char(p->out, '\n');
}

static unsigned
unit_digits(enum metric_unit u)
{
	switch (u) {
	case UNIT_ONE: return 0;
	case UNIT_NANO_USD: return 9;
	case UNIT_MICRO:
	case UNIT_COARSE:
	case UNIT_FINE: return 6;
	}
	return 0;
}

static void
put_sample(void *ctx, const struct metric_sample *s)
{
	struct printer *p = ctx;

	put_head(p, s->family);
	if (s->family->type == METRIC_HISTOGRAM) {
		put_histogram(p, s);
		return;
	}
	put_name(p, s, "", NULL);
	put_decimal(p->out, s->value, unit_digits(s->family->unit));
	buf_add_char(p->out, '\n');
}

void
metrics_page(const struct region *r, struct buf *out)
{
	struct printer p = {.out = out, .family = NULL};

	metrics_walk(r, put_sample, &p);
}
