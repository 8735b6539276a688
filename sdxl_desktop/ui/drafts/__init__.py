"""The sheet of drafts: many quick pictures, of which the chosen ones are finished."""
