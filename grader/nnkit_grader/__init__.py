"""Grade a class: release an assignment, make a class to try it on, grade it into nbgrader's gradebook."""
