"""Both ends of the pipe between the examiner and the process that runs the learner's code: plain data, never pickle."""
