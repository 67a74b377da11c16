"""The examiner: runs the course's tests in a trusted process, and the learner's code elsewhere."""
