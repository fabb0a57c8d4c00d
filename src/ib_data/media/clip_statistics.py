"""Mean and standard deviation of RGB in CLIP's images, in 0 to 1: every model of the family was trained with them."""

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
