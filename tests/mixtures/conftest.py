"""The fixtures of tiny homes."""

from tiny_homes import (  # noqa: F401
    bucket,
    build_split,
    dialogues,
    empty_home,
    far,
    jpeg_of,
    near,
    picture_home,
    tiny_home,
)
