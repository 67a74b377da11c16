"""Mistakes in measuring a gradient, and in judging another by it: what goes wrong in a gradient checker."""

from nnkit.check.diagnosis.mistakes.base import Mistake
from nnkit.language import to_say

MEASURE = to_say("lecture 01, What we want: one slope for each input")
PRODUCTS = to_say("lecture 03, Vector-Jacobian products")

MISTAKES = (
    Mistake(
        "one-sided-difference",
        "the difference was taken on one side only",
        "From x to x + h, the curvature counts: the error falls like h. Between x - h and x + h it cancels, and falls "
        "like h².",
        "At which two points do you evaluate f, and is x half-way between them?",
        "Evaluate on both sides: (f(x + h) - f(x - h)) / (2 * h).",
        MEASURE,
    ),
    Mistake(
        "step-not-doubled",
        "the difference was divided by h, not by 2h",
        "From x - h to x + h is a way of 2h, so every slope comes out twice as large.",
        "How far apart are the two points at which you evaluated f?",
        "Divide by the distance between the points: (f(x + h) - f(x - h)) / (2 * h).",
        MEASURE,
    ),
    Mistake(
        "not-put-back",
        "a nudged entry was not put back",
        "The slope of the next entry is then measured at another point.",
        "After the first entry is done, print x. Is it what it was?",
        "Nudge a copy, `moved = x.copy()`, anew for each entry; or keep the old number and write it back.",
        MEASURE,
    ),
    Mistake(
        "step-size",
        "the step h is too large or too small",
        "With a large h the curve bends within the step; with a tiny one, f(x + h) and f(x - h) agree in nearly all "
        "digits, and what is left is rounding.",
        "Where in the table of errors is your h: on the left slope, on the right one, or at the bottom of the valley?",
        "In float64, take h = 1e-5 for inputs around 1.",
        MEASURE,
    ),
    Mistake(
        "ones-upstream",
        "the upstream gradient was the same number everywhere",
        "Such an upstream gradient adds up each column of the Jacobian, and what cancels in the sum is never seen; "
        "ones also hide that a gate leaves its upstream gradient out.",
        "Which gradient does softmax send down if all its outputs are equally important?",
        "Draw it: np.random.default_rng(0).normal(size=np.shape(out)).",
        PRODUCTS,
    ),
    Mistake(
        "fixed-tolerance",
        "the tolerance does not follow the size of the gradient",
        "An error of 1e-7 is nothing in a gradient of 1e6, and everything in one of 1e-9.",
        "With which number do you compare the difference, and does that number know how large the gradient is?",
        "Allow a share of the largest entry: np.max(np.abs(yours - measured)) <= 1e-6 * np.max(np.abs(measured)).",
        MEASURE,
    ),
    Mistake(
        "compared-as-a-whole",
        "the gradients were not compared entry by entry",
        "Two gradients can have the same norm, sum or largest entry and point elsewhere.",
        "Turn a gradient around, or reverse its entries. Does the number that you compare change?",
        "Subtract first, entry by entry, and then take the largest absolute difference.",
        PRODUCTS,
    ),
    Mistake(
        "unnoticed-entry",
        "a wrong entry goes unnoticed beside right ones",
        "A gate may be right in its first input, or in its first entry, and wrong in the next.",
        "Which of the gradients that backward returns does your code look at, and how many of their entries?",
        "Loop over all inputs, and measure every entry of each.",
        PRODUCTS,
    ),
)
