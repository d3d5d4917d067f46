"""A small shop whose background work survives: `fastapi-taskflow demo`.

An example to read as well: `tasks` has the work, `app` the endpoints that add it, `outside`
a mail server and a payment provider that fail now and then, `traffic` the customers.
"""
