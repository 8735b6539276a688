"""The person's LoRAs and embeddings: found in folders, and described from their headers and the files beside them."""
