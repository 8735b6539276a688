"""What is drawn, against diffusers in torch on the same weights and seeds: references, table of cases, tests."""
