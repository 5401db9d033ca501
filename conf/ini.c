/* "[section]", "key = value", a line each. */
#include "conf/ini.h"

/* Is it a section's head; then its name. */
static bool
is_section(struct str line, struct str *name)
{
	if (line.n < 2 || line.p[0] != '[' || line.p[line.n - 1] != ']')
		return false;
	*name = str_trim(str_make(line.p + 1, line.n - 2));
	return true;
}

bool
ini_find(struct str text, struct str section, struct str key, struct str *value)
{
	bool inside = false;

	while (text.p) {
		struct str line = str_cut(&text, '\n');
		struct str name;

		if (str_ends(line, STR("\r")))
			line.n--;
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (is_section(line, &name)) {
			inside = str_eq(name, section);
			continue;
		}
		name = str_trim(str_cut(&line, '='));
		if (!inside || !line.p || !str_eq(name, key))
			continue;
		*value = str_trim(line);
		return true;
	}
	return false;
}
