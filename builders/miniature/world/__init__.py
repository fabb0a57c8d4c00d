"""The drawn world of the miniature.

scene       scenes of coloured shapes, decided by (seed, image id)
population  which images there are, and in which archives
images      a scene as JPEG or PNG; printed: words in an image; signs: images of boards with words
clips       what clips show and what is asked about them; encoding: scenes as a clip
words       words for sentences about scenes; sentences: true ones; facts: what decides the questions
questions   questions with votes; compared: about two shapes; choices: with options; knowledge: of the world too
archives    zip, tar.gz and JSON with the same bytes on any machine
"""
