"""LoRAs and their kin, read and matched to the layers of a checkpoint: the engine adds them to graphs, an import fuses
one into a UNet."""
