"""What the benchmarks write down, and the page that is made of it."""
