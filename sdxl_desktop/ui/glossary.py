"""What each term means, in plain words: the tooltips of the panels."""

PROMPT = "Describe the picture in plain words: the subject first, then where it is, the light, the style."
NEGATIVE = "What you do not want to see, for instance: blurry, text, frame. Has an effect when guidance is above 1."
SECOND_ENCODER = (
    "SDXL reads your words with two text encoders. Normally both get the same prompt. "
    "Here you can give the second, larger one words of its own; leave it empty to use the same."
)
PROMPT_2 = "Words for the second text encoder only. Empty means: the same as the prompt above."
NEGATIVE_2 = "Unwanted things for the second text encoder only. Empty means: the same as above."
TOKENS = (
    "Text encoders read tokens, which are words or pieces of words, {chunk} at a time; two of them mark start and end. "
    "A longer prompt is read in several chunks."
)
CHECKPOINT = "The trained weights that draw. Choosing one sets the size, steps, guidance and scheduler it was made for."
SIZE = (
    "Width and height in pixels. The presets are the shapes SDXL was trained on, at this checkpoint's own size; "
    "other shapes work less well the further they are from these."
)
SIZE_MULTIPLE = "Sides are multiples of {multiple} pixels for this checkpoint."
SWAP = "Swap width and height"
STEPS = "How many times the noise is refined. More steps take longer and help less and less after about 30."
GUIDANCE = (
    "How strictly the picture follows the prompt. Low values are freer and softer; high values are literal and harsh. "
    "At 1 or below the negative prompt has no effect, and each step takes half the time."
)
RESCALE = "Tames the washed-out or overexposed look that high guidance causes. 0 turns it off; around 0.7 is common."
SCHEDULER = (
    "The method that takes the noise away step by step. Point at each one in the list to see what it is good for."
)
SEED = "The number the starting noise is made from. The same seed and settings give the same picture again."
DICE = "Take another random seed"
LOCK = "Keep this seed for the next pictures. Unlocked, each Generate takes a new random seed and shows it here."
COUNT = "How many pictures to make, one after the other. Each has the next seed."
MICRO = (
    "SDXL was told, for every training picture, its original size and how it was cropped. Telling it the same here "
    "steers sharpness and framing. Leave it off unless you want to experiment."
)
ORIGINAL_SIZE = "The size the picture pretends to have had. Small values imitate small, blurry originals."
CROP = "Where the picture pretends to be cut out of a larger one. 0, 0 gives well-centred subjects."
TARGET_SIZE = "The size the picture pretends to be made for; normally its own size."
NEGATIVE_MICRO = (
    "The same three for what the picture is steered away from: for instance a small original size, "
    "to move away from blurry pictures. Auto follows the values above."
)
QUEUE = "Add this to the queue; it starts when what runs now is done (Ctrl+Shift+Enter)"
