"""Extensions that change UNet calls independently of the denoising loop: one module per kind of conditioning, all based
on `base.Extension`."""
