package main

import "ft_utils/golib/garbage"

func init() { garbage.Guest() }
