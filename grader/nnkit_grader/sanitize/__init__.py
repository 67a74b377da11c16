"""Make text, HTML, Markdown and images written by learners safe to show to a grader."""
