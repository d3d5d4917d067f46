"""A small shop whose background work survives: `fastapi-taskflow demo`.

An example to read as well: `tasks` has the work, `app` the endpoints that add it, `outside`
mails and payments that fail now and then and pictures that crash, `traffic` the customers.
"""
