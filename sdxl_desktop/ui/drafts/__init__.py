"""The drafts dialog: generates many quick pictures, of which the selected ones are finished."""
