"""The texts that toy examples use."""

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square")
QUESTIONS = ("What colour is the shape? Short answer:", "What shape is shown? Short answer:", "Caption:")
TEXTS = (*QUESTIONS, *COLOURS, *SHAPES, *(f"a {colour} {shape} on white" for colour in COLOURS for shape in SHAPES))
