"""The HTTP face: POST /checkout prices a cart."""

import argparse
import json
import os
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import sentry_sdk

from checkout.models import Cart, Line
from checkout.pricing import discount_for, total

RELEASE = "checkout-service@4.18.2"
BODY_BYTES_MAX = 1_000_000


def read_cart(body: bytes) -> Cart:
    data = json.loads(body)
    lines = [Line(line["sku"], Decimal(line["price"]), int(line["quantity"])) for line in data["lines"]]
    return Cart(data["id"], date.fromisoformat(data["placed_on"]), lines, data.get("promo_code"))


def checkout(cart: Cart) -> dict:
    sentry_sdk.add_breadcrumb(category="cart", message=f"pricing cart {cart.id} with {len(cart.lines)} lines", level="info")
    return {
        "id": cart.id,
        "discount": str(discount_for(cart)),
        "total": str(total(cart)),
        "notices": cart.notices,
    }


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        if self.path != "/checkout":
            self.answer(404, {"error": "there is only /checkout"})
            return
        with sentry_sdk.new_scope() as scope:
            scope.set_transaction_name("POST /checkout")
            try:
                length = min(int(self.headers.get("Content-Length", "0")), BODY_BYTES_MAX)
                cart = read_cart(self.rfile.read(length))
                scope.set_tag("cart", cart.id)
                self.answer(200, checkout(cart))
            except Exception as error:
                sentry_sdk.capture_exception(error)
                self.answer(500, {"error": "checkout failed"})

    def answer(self, status: int, body: dict) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description="Prices carts over HTTP.")
    parser.add_argument("--port", type=int, default=8500)
    options = parser.parse_args()
    sentry_sdk.init(dsn=os.environ.get("SENTRY_DSN"), release=RELEASE, environment="production", default_integrations=True)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    print(f"checkout-service listens on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
