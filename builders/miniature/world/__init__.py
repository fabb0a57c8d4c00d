"""The drawn world of the miniature.

scene       scenes of coloured shapes, decided by (seed, image id)
population  which images there are, and in which archives
photos      a scene as JPEG or PNG; films: scenes as a clip; printed: words in an image
words       words for sentences about scenes
archives    zip, tar.gz and JSON with the same bytes on any machine
"""
