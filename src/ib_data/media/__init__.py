"""Stored bytes to pixels, for all that decodes: the build, `check --decode`, the stream, training and contact sheets.

coded         the one definition of a whole image: what it accepts is accepted everywhere
jpeg, png     what their decoders leave out
pillow        Pillow's switches as decoding needs them
frames        frames of a clip, by PyAV; decord_frames: by decord, where asked for
faults        MediaError, and the one limit on pixels
opened_image  an image that a build takes: size, format, checksum, smaller copy; opened_clip: a clip
pixels        images and clips as uint8 squares; augment: training crops
thumbnail     small JPEG copies for pages
normalised    pixels as a vision encoder reads them (torch)
"""
