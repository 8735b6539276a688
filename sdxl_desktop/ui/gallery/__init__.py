"""The gallery: every picture of the history in a grid, with search, filters, details, comparison and a slide show."""
