"""What things cost."""

import unittest

import price


class Price(unittest.TestCase):
    def test_one_costs_its_price(self):
        self.assertEqual(price.total_cents("tea", 1), 350)

    def test_many_cost_many_times_as_much(self):
        self.assertEqual(price.total_cents("cup", 3), 3600)

    def test_ten_are_a_tenth_cheaper(self):
        self.assertEqual(price.total_cents("tea", 9), 3150)
        self.assertEqual(price.total_cents("tea", 10), 3150)

    def test_unknown_things_have_no_price(self):
        with self.assertRaises(price.Unknown):
            price.total_cents("coffee", 1)

    def test_cents_are_shown_with_two_digits(self):
        self.assertEqual(price.shown(1205), "12.05")


if __name__ == "__main__":
    unittest.main()
