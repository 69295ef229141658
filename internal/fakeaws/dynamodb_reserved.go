package fakeaws

import "strings"

func reservedWord(word string) bool { return strings.EqualFold(word, "name") }
