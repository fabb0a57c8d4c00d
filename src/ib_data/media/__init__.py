"""Stored bytes to pixels, for the build, `check --decode`, the stream, training and contact sheets.

coded         decides which images are valid, for all of ib_data
jpeg, png     checks that their decoders leave out
pillow        sets Pillow's process-wide switches while decoding
frames        frames of a clip by PyAV; decord_frames: by decord, if asked for
faults        MediaError, and the limit on pixels
opened_image  checks an image during a build: size, format, checksum, smaller copy; opened_clip: a clip
pixels        images and clips as uint8 squares; augment: training crops
thumbnail     small JPEG copies for pages
normalised    pixels normalised for a vision encoder (torch); clip_statistics: mean and standard deviation
"""
