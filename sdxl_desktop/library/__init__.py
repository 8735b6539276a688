"""The checkpoint library: scanning, importing, downloading, converting and quantizing checkpoints."""
