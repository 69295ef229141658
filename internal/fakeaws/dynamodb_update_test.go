package fakeaws

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUpdates(t *testing.T) {
	for src, want := range map[string]string{
		"SET s = :z":                                    `{"s": {"S": "z"}}`,
		"set fresh = :m":                                `{"fresh": {"M": {"x": {"S": "y"}}}}`,
		"SET n = n + :one":                              `{"n": {"N": "11"}}`,
		"SET n = (n + :one)":                            `{"n": {"N": "11"}}`,
		"SET n = (n) + (:one)":                          `{"n": {"N": "11"}}`,
		"SET n = :one - n":                              `{"n": {"N": "-9"}}`,
		"SET big = big - :big":                          `{"big": {"N": "0"}}`,
		"SET n = if_not_exists(n, :one)":                `{}`,
		"SET fresh = if_not_exists(fresh, :one)":        `{"fresh": {"N": "1"}}`,
		"SET fresh = if_not_exists(gone, n) + :one":     `{"fresh": {"N": "11"}}`,
		"SET l = list_append(l, :l)":                    `{"l": {"L": [{"N": "1"}, {"S": "two"}, {"L": [{"S": "deep"}]}, {"S": "deep"}]}}`,
		"SET l = list_append(:l, l[2])":                 `{"l": {"L": [{"S": "deep"}, {"S": "deep"}]}}`,
		"SET f = list_append(if_not_exists(f, :l), :l)": `{"f": {"L": [{"S": "deep"}, {"S": "deep"}]}}`,
		// both see the old item
		"SET s = n, n = s": `{"s": {"N": "10"}, "n": {"S": "hello"}}`,
		"SET l[0] = :a":    `{"l": {"L": [{"S": "a"}, {"S": "two"}, {"L": [{"S": "deep"}]}]}}`,
		"SET l[99] = :a":   `{"l": {"L": [{"N": "1"}, {"S": "two"}, {"L": [{"S": "deep"}]}, {"S": "a"}]}}`,
		"SET l[2][0] = :a": `{"l": {"L": [{"N": "1"}, {"S": "two"}, {"L": [{"S": "a"}]}]}}`,
		"SET m.#dotted = :one, #m.fresh = :a REMOVE m.l[0].x": `{"m": {"M": {"a": {"N": "1"}, "l": {"L": [{"M": {}}]}, "a.b": {"N": "1"}, "fresh": {"S": "a"}}}}`,
		"REMOVE s":       `{"s": null}`,
		"REMOVE gone, n": `{"n": null}`,
		// both indexes mean the old list
		"REMOVE l[0], l[1]":     `{"l": {"L": [{"L": [{"S": "deep"}]}]}}`,
		"REMOVE l[2], l[0]":     `{"l": {"L": [{"S": "two"}]}}`,
		"REMOVE l[10], m.gone":  `{}`,
		"ADD n :half":           `{"n": {"N": "12.5"}}`,
		"ADD fresh :half":       `{"fresh": {"N": "2.5"}}`,
		"ADD m.a :one":          `{"m": {"M": {"a": {"N": "2"}, "l": {"L": [{"M": {"x": {"S": "y"}}}]}, "a.b": {"S": "dotted"}}}}`,
		"ADD ss :sb":            `{"ss": {"SS": ["a", "b", "c"]}}`,
		"ADD fresh :sb":         `{"fresh": {"SS": ["b", "c"]}}`,
		"ADD ns :ns, bs :bs":    `{}`,
		"DELETE ss :sb":         `{"ss": {"SS": ["a"]}}`,
		"DELETE ss :ss":         `{"ss": null}`, // an empty set cannot be
		"DELETE gone :ss":       `{}`,
		"DELETE ns :ns, bs :bs": `{"ns": null, "bs": {"BS": ["AQ=="]}}`,
		"ADD n :one SET s = :z DELETE ss :sb REMOVE t": `{"n": {"N": "11"}, "s": {"S": "z"}, "ss": {"SS": ["a"]}, "t": null}`,
	} {
		t.Run(src, func(t *testing.T) {
			item := readItem(t, exprItem)
			u, err := parseUpdate(src, testParams(t))
			require.NoError(t, err)
			got, err := u.apply(item)
			require.NoError(t, err)

			expected := maps.Clone(item)
			var changes map[string]*json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(want), &changes))
			for name, change := range changes {
				if delete(expected, name); change != nil {
					maps.Copy(expected, readItem(t, `{"`+name+`": `+string(*change)+`}`))
				}
			}
			require.Equal(t, expected, got)
			require.Equal(t, readItem(t, exprItem), item, "the old item was changed in place")
		})
	}
}

func TestUpdatesThatAreRefused(t *testing.T) {
	for src, message := range map[string]string{
		"":                          "Invalid UpdateExpression: The expression can not be empty;",
		"PUT s = :a":                `Invalid UpdateExpression: Syntax error; token: "PUT", near: "PUT s"`,
		"s = :a":                    `token: "s"`,
		"SET":                       `token: "<EOF>"`,
		"SET s":                     `token: "<EOF>"`,
		"SET s = :a,":               `token: "<EOF>"`,
		"SET s = ":                  `token: "<EOF>"`,
		"SET s = :a n = :one":       `token: "n"`,
		"SET n = n + :one + :one":   `token: "+"`,
		"SET n = (n + :one) + :one": `token: "+"`,
		"SET n = ((n + :one))":      `token: "+"`,
		"SET n = n * :one":          `token: "*"`,
		"SET n = (n = :one)":        `Syntax error`,
		"SET :a = :a":               `token: ":a"`,
		"SET s = :a SET n = :one":   `The "SET" section can only be used once in an update expression;`,
		"REMOVE s = :a":             `token: "="`,
		"ADD n = :one":              `token: "="`,
		"ADD n n":                   `token: "n"`,
		"ADD n :l": "Incorrect operand type for operator or function; operator: ADD, " +
			"operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND",
		"DELETE ss :one": "operator: DELETE, operand type: NUMBER, typeSet: " +
			"ALLOWED_FOR_DELETE_OPERAND",
		"SET n = n + :a":             "operator or function: +, operand type: S",
		"SET n = :ss - n":            "operator or function: -, operand type: SS",
		"SET l = list_append(l, :a)": "operator or function: list_append, operand type: S",
		"SET l = list_append(l)":     "operator or function: list_append, number of operands: 1",
		"SET n = if_not_exists(:one, :ten)": "Operator or function requires a document path; operator or function: " +
			"if_not_exists",
		"SET n = size(s)":             "Invalid function name; function: size",
		"SET t = attribute_exists(s)": "Invalid function name; function: attribute_exists",
		"SET s = :a, s = :z": "Two document paths overlap with each other; must remove or rewrite " +
			"one of these paths; path one: [s], path two: [s]",
		"SET m.a = :a REMOVE m":      "path one: [m, a], path two: [m]",
		"SET m.a = :a ADD m[0] :one": "Two document paths conflict with each other",
		"SET status = :a":            "Attribute name is a reserved keyword; reserved keyword: status",
		"SET s = :nope": "An expression attribute value used in expression is not defined; " +
			"attribute value: :nope",
		"SET s = gone": "The provided expression refers to an attribute that does not exist " +
			"in the item",
		"SET n = gone + :one": "The provided expression refers to an attribute that does not exist " +
			"in the item",
		"SET n = n + s":             "An operand in the update expression has an incorrect data type",
		"SET l = list_append(l, s)": "An operand in the update expression has an incorrect data type",
		"ADD s :one":                "An operand in the update expression has an incorrect data type",
		"ADD ns :ss":                "An operand in the update expression has an incorrect data type",
		"DELETE ns :ss":             "An operand in the update expression has an incorrect data type",
		"SET gone.x = :a": "The document path provided in the update expression is invalid for " +
			"update",
		"SET s.x = :a": "The document path provided in the update expression is invalid for " +
			"update",
		"SET m[0] = :a": "The document path provided in the update expression is invalid for " +
			"update",
		"SET l.x = :a": "The document path provided in the update expression is invalid for " +
			"update",
		"SET l[9].x = :a": "The document path provided in the update expression is invalid for " +
			"update",
		"REMOVE gone.x": "The document path provided in the update expression is invalid for " +
			"update",
		"REMOVE m[0]": "The document path provided in the update expression is invalid for " +
			"update",
		"REMOVE l.x": "The document path provided in the update expression is invalid for " +
			"update",
		"REMOVE s.x": "The document path provided in the update expression is invalid for " +
			"update",
		"SET n = big + :half": "Attempting to store more than 38 significant digits in a Number",
	} {
		t.Run(src, func(t *testing.T) {
			u, err := parseUpdate(src, testParams(t))
			if err == nil {
				_, err = u.apply(readItem(t, exprItem))
			}
			require.ErrorContains(t, err, "ValidationException: ")
			require.ErrorContains(t, err, message)
		})
	}
}
