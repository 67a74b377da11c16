"""Open what was handed in, whatever it is: a submission, or a sentence that says why not."""
