"""What counts as blank when texts are rendered: characters that show nothing."""

# Unicode's control, format and separator characters (Cc, Cf, Zs, Zl, Zp; version 16), first and last of each run.
# Written out, since finding them takes 0.2 s and depends on the version of Python.
_RUNS = (
    (0x0, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F),
    (0x890, 0x891), (0x8E2, 0x8E2), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F),
    (0x205F, 0x2064), (0x2066, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
)  # fmt: skip
BLANKS = "".join(chr(code) for first, last in _RUNS for code in range(first, last + 1))
_BLANKS = frozenset(BLANKS)


def trimmed(text: str) -> str:
    """`text` without white space at its ends; empty if it consists of BLANKS.

    Format characters at the ends of other texts stay: they may set the direction of the text beside them.
    """
    found = text.strip()
    # Stripping BLANKS takes 0.5 us; for most texts the first character shows that it is not needed.
    return "" if found and found[0] in _BLANKS and not found.strip(BLANKS) else found
