"""The shapes of requests and answers: what the OpenAPI document, and the web pages' types, are made from."""
