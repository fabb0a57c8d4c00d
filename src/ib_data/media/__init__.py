"""Stored bytes to pixels, for all that decodes: the build, `check --decode`, the stream and contact sheets.

`coded.read_image` is the one definition of a whole image. Whatever it accepts is accepted everywhere, whatever the
program around it has set in Pillow and whichever extras are installed.
"""
