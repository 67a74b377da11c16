"""The memory of a run: a test cell is a function of the replies that it gets, so equal replies are judged once.

    key (test cell, seed, what the cell can see) → message → reply → message → reply → ... → outcome

A learner's process is asked the same messages in the same order whether the answers are known or not, one at a time:
nothing is asked ahead, and no process is copied. Only the examiner's own work is saved.
"""
