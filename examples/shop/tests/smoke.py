"""What a customer would notice, asked of a running shop at SHOP_URL."""

import json
import os
import unittest
import urllib.request

URL = os.environ.get("SHOP_URL", "http://127.0.0.1:8000")


def get(path):
    with urllib.request.urlopen(URL + path, timeout=10) as answer:
        return answer.read().decode()


class Smoke(unittest.TestCase):
    def test_the_page_shows_the_version_that_was_deployed(self):
        self.assertIn(os.environ.get("TRUNKLINE_VERSION", "unknown"), get("/"))

    def test_ten_teas_come_with_the_discount(self):
        self.assertEqual(json.loads(get("/price?item=tea&count=10"))["total"], "31.50")

    def test_prices_are_in_euro(self):
        self.assertEqual(json.loads(get("/price?item=cup"))["currency"], "EUR")


if __name__ == "__main__":
    unittest.main()
