"""What can change a UNet call without the denoising loop knowing of it: each kind of conditioning in a module of its
own, all of them `base.Extension`."""
