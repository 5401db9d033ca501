#!/usr/bin/env python3
"""usage: embed.py FILE FUNCTION HEADER OUT.c

Writes a C file whose FUNCTION returns the bytes of FILE as a struct str.
"""

import sys


def main():
    source, function, header, out = sys.argv[1:]
    with open(source, 'rb') as stream:
        data = stream.read()
    rows = [', '.join(f'0x{byte:02x}' for byte in data[i:i + 12])
            for i in range(0, len(data), 12)]
    text = ',\n\t'.join(rows)
    with open(out, 'w', encoding='ascii') as stream:
        stream.write(f'#include "{header}"\n\n'
                     f'static const unsigned char bytes[] = {{\n\t{text}}};\n\n'
                     f'struct str\n{function}(void)\n{{\n'
                     '\tconst void *p = bytes;\n\n'
                     '\treturn str_make(p, sizeof(bytes));\n}\n')


main()
