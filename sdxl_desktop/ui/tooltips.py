"""Tooltips of the panels, which explain each term. Those of numbers are next to their declaration."""

PROMPT = "Describe the picture in plain words: the subject first, then where it is, the light, the style."
NEGATIVE = "What you do not want to see, for instance: blurry, text, frame. Has an effect when guidance is above 1."
ENCODERS = (
    "SDXL reads your words with two text encoders. Normally both get the same prompt. "
    "Here you can give the second, larger one words of its own, and say how deeply both read."
)
PROMPT_2 = "Words for the second text encoder only. Empty means: the same as the prompt above."
NEGATIVE_2 = "Unwanted things for the second text encoder only. Empty means: the same as above."
TOKENS = (
    "Text encoders read tokens, which are words or pieces of words, {chunk} at a time; two of them mark start and end. "
    "A longer prompt is read in several chunks; BREAK begins a new one. An embedding counts as many tokens as it has "
    "vectors."
)
CHECKPOINT = "The trained weights that draw. Choosing one sets the size, steps, guidance and scheduler it was made for."
SIZE = (
    "Width and height in pixels. The presets are the shapes SDXL was trained on, at this checkpoint's own size; "
    "other shapes work less well the further they are from these."
)
SIZE_MULTIPLE = "Sides are multiples of {multiple} pixels for this checkpoint."
SWAP = "Swap width and height"
SCHEDULER = (
    "The method that takes the noise away step by step. Point at each one in the list to see what it is good for."
)
SPEED = (
    "How much of the UNet each step computes. The deep layers change little from step to step, so balanced and fast "
    "reuse them: two to four times as quick, with a picture that is hardly to be told apart."
)
SEED = "The number the starting noise is made from. The same seed and settings give the same picture again."
DICE = "Take another random seed and keep it"
LOCK = "Keep this seed for the next pictures. Unlocked, each Generate takes a new random seed and shows it here."
VARIATION = (
    "Turns the starting noise a little way from the seed's towards a second seed's: the same picture, slightly changed."
)
VARIATION_SEED = "The seed to go towards."
VARIATION_LOCK = (
    "Keep this second seed for the next pictures. Unlocked, each Generate takes a new one: another variation each time."
)
ADVANCED = "Guidance rescale, timesteps of your own, and how the checkpoint is sampled."
PREDICTION_TYPE = (
    "What the checkpoint's UNet predicts: the noise (epsilon), a velocity (v-prediction), or the picture. Change it "
    "when a checkpoint draws nothing but noise or grey."
)
ZERO_SNR = (
    "For checkpoints trained down to pure noise (zero terminal SNR). Their pictures can be very dark or very bright."
)
TIMESTEP_SPACING = "Which of the timesteps are visited. Few-step and zero-SNR checkpoints want trailing ones."
TIMESTEPS = (
    "The points on the way from pure noise (999) to the picture (0) at which the noise is refined, falling and with "
    "commas between them. Empty: the scheduler chooses them."
)
STEPS_FROM_TIMESTEPS = "There are as many steps as timesteps: clear those under Advanced to set the steps here."
FILL_STRENGTH = (
    "How much of the masked area is drawn anew. Low values keep its shapes and colours; at 1 nothing of it is kept."
)
FIT = "What happens when the picture has another shape than the size that is drawn."
FIT_CROP = "Cut the picture's longer sides off."
FIT_PAD = "Keep the whole picture, and fill the room that is left at its sides."
FIT_STRETCH = "Squeeze the picture into the shape."
MATCH_SHAPE = "Set width and height to the picture's shape, at about the size this checkpoint draws best."
KEEP_SIZE = (
    "Scale what is drawn back to the size of the picture on the canvas and put it into its place. "
    "Otherwise the result has the size that is drawn."
)
ONLY_MASKED = (
    "Draw just the surroundings of the mask, with all the pixels there are, and put them back: "
    "small things in large pictures come out sharp."
)
REFINER = "A second checkpoint, trained for fine detail, that finishes what the first one began."
REFINER_CHECKPOINT = "Which refiner finishes the picture. Only refiners are listed."
NO_REFINER = (
    "No refiner was found. Refiners are checkpoints of their own: put the folder of one into your checkpoints folder."
)
IS_REFINER = "The chosen checkpoint is itself a refiner; it takes these scores."
REFINER_WAY = "When the refiner comes in."
TAKE_OVER = "The refiner takes over while there is still noise, and draws the last part of the picture."
RETOUCH = "The first checkpoint finishes; then the refiner redraws the finished picture a little."
REFINER_STEPS = (
    "The number of steps in the refiner's whole schedule, of which it does its part. Automatic: as many as above."
)
ADDITIONS = "What is put on top of the checkpoint: LoRAs, embeddings and another VAE. You can drop files here."
LORA_WEIGHT = "How strongly this LoRA counts: 1 as it was trained, 0 not at all, below 0 the opposite."
LORA_ON = "Use this LoRA"
EMBEDDING_TOKEN = "Write this word into the prompt, where it stands for the embedding"
ADD_FILE = "Add LoRAs, embeddings or a VAE from files. You can also drop the files here."
DROP_HERE = "Drop .safetensors files here, or add them below."
LET_GO = "Let go to add"
VAE = (
    "The part that turns what was drawn into pixels. Some checkpoints look better, or need less memory, with another. "
    "Choose a VAE's .safetensors file, or a folder with one, from diffusers or OpenVINO."
)
KEEP_MINE = "Keep the checkpoint, and take back the steps, guidance and scheduler you had before"
COMPARE = "Draw the same seed twice, without and with these values, and show both side by side"
NOTHING_TO_COMPARE = "Change one of these values first: there is nothing to compare yet"
MICRO = (
    "SDXL was told, for every training picture, its original size and how it was cropped. Telling it the same here "
    "steers sharpness and framing. Leave it off unless you want to experiment."
)
ORIGINAL_SIZE = "The size the picture pretends to have had: a small one looks blurry, a large one sharp."
CROP = "Where it pretends to be cut out of a larger picture: 0, 0 centres the subject."
TARGET_SIZE = "The size it pretends to be made for, normally its own: its shape steers the framing."
NEGATIVE_ORIGINAL_SIZE = "A small original here steers away from blurry pictures."
NEGATIVE_CROP = "A crop here steers away from subjects that are cut off."
NEGATIVE_TARGET_SIZE = "Steers away from the framing of this size."
MICRO_SIDES = "Whether you set what the picture is drawn towards, or what it is steered away from."
MICRO_TOWARDS = "What the picture should be like."
MICRO_AWAY = "What it should not be like. Auto follows the other side as long as all three are Auto."
DRAW_ORIGINAL = (
    "Drag the corner to resize the original (Shift keeps its shape). Keys: arrows change it by 8 pixels, "
    "with Ctrl by 1; Home sets it back to Auto. The dotted box is the picture's own size."
)
DRAW_CROP = (
    "Drag the box to move the crop, its corner to resize the target (Shift keeps its shape). Keys: arrows move the "
    "crop by 8 pixels, with Ctrl by 1; with Shift they resize the target; Home sets both back to Auto. "
    "The dotted box is the original, scaled to cover the target; red means that the crop leaves it."
)
RESET = "Back to Auto"
QUEUE = "Add this to the queue; it starts when it is its turn (Ctrl+Shift+Enter)"
QUEUE_LIST = "Show what waits: its order, and what to do with it (Ctrl+J)"
PAUSE = "Pause at the next step; it goes on from there later, even after a restart (Ctrl+Shift+P)"
