"""The drawn world of the miniature.

scene       scenes of coloured shapes, decided by (seed, image id)
population  which images there are, and in which archives
images      a scene as JPEG or PNG; printed: words in an image; signs: images of boards with words
clips       what clips show and what is asked about them; encoding: scenes as a clip
words       words for sentences about scenes; sentences: true ones
questions   questions with votes; choices: with options; knowledge: with some knowledge of the world
archives    zip, tar.gz and JSON with the same bytes on any machine
"""
