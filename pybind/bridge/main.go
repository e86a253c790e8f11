package main

// main exists so that this folder builds and vets on its own. In the library it is never called; there the
// build driver lays gopy's generated file over this one.
func main() {}
