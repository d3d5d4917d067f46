"""A small shop whose background work survives: `python -m examples.shop`, or `make demo`.

`tasks` has the work, `app` the endpoints that add it, `outside` a mail server and a payment
provider that fail now and then, `traffic` the customers.
"""
