"""nbgrader's tables, pages and extension points: how marks get in and what is shown of them."""
