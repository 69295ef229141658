package fakeaws_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type item = map[string]types.AttributeValue

func str(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func num(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

// text shows an attribute value without types that the reader can guess.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return fmt.Sprintf("%x", v.Value)
	case *types.AttributeValueMemberBOOL:
		return fmt.Sprint(v.Value)
	case *types.AttributeValueMemberNULL:
		return "null"
	case *types.AttributeValueMemberSS:
		return "{" + strings.Join(slices.Sorted(slices.Values(v.Value)), " ") + "}"
	case *types.AttributeValueMemberL:
		s := make([]string, len(v.Value))
		for i := range v.Value {
			s[i] = text(v.Value[i])
		}
		return "[" + strings.Join(s, " ") + "]"
	case *types.AttributeValueMemberM:
		return show(v.Value)
	}
	return fmt.Sprintf("%T", v)
}

// show prints an item with its attributes in order.
func show(i item) string {
	var s []string
	for _, k := range slices.Sorted(maps.Keys(i)) {
		s = append(s, k+"="+text(i[k]))
	}
	return strings.Join(s, " ")
}

// table makes a table with the key "id", or with "id" and "seq".
func (p *probe) table(sorted bool) string {
	p.t.Helper()
	name := p.name("table")
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	}
	if sorted {
		in.AttributeDefinitions = append(
			in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String("seq"), AttributeType: types.ScalarAttributeTypeN},
		)
		in.KeySchema = append(
			in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("seq"), KeyType: types.KeyTypeRange},
		)
	}
	_, err := p.dynamodb.CreateTable(p.ctx, in)
	p.must(err)
	p.within(10*time.Second, "table is ACTIVE", func() bool {
		d, err := p.dynamodb.DescribeTable(p.ctx, &dynamodb.DescribeTableInput{TableName: &name})
		p.must(err)
		return d.Table.TableStatus == types.TableStatusActive
	})
	return name
}

func (p *probe) store(table string, items ...item) {
	p.t.Helper()
	for _, i := range items {
		_, err := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{TableName: &table, Item: i})
		p.must(err)
	}
}

func (p *probe) load(table, id string) item {
	p.t.Helper()
	out, err := p.dynamodb.GetItem(
		p.ctx, &dynamodb.GetItemInput{TableName: &table, Key: item{"id": str(id)}, ConsistentRead: aws.Bool(true)},
	)
	p.must(err)
	return out.Item
}

// update runs an UpdateItem on the row "a".
func (p *probe) update(
	table, expression, condition string, names map[string]string, values item,
) (*dynamodb.UpdateItemOutput, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &table, Key: item{"id": str("a")}, UpdateExpression: &expression,
		ReturnValues:             types.ReturnValueAllNew,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}
	if condition != "" {
		in.ConditionExpression = &condition
	}
	return p.dynamodb.UpdateItem(p.ctx, in)
}

var placeholder = regexp.MustCompile(`:\w+`)

// truth says for each condition whether the row "a" meets it, or with which error it is refused. An update without an
// expression changes nothing.
func (p *probe) truth(table string, values item, conditions ...string) string {
	p.t.Helper()
	var s []string
	for _, c := range conditions {
		in := &dynamodb.UpdateItemInput{TableName: &table, Key: item{"id": str("a")}, ConditionExpression: &c}
		for _, name := range placeholder.FindAllString(c, -1) {
			if in.ExpressionAttributeValues == nil {
				in.ExpressionAttributeValues = item{}
			}
			in.ExpressionAttributeValues[name] = values[name]
		}
		_, err := p.dynamodb.UpdateItem(p.ctx, in)
		switch result := code(err); result {
		case "ok":
			s = append(s, "true")
		case "ConditionalCheckFailedException":
			s = append(s, "false")
		default:
			s = append(s, result)
		}
	}
	return strings.Join(s, " ")
}

func dynamoDBBehaviours() []behaviour {
	return slices.Concat(tableBehaviours(), itemBehaviours(), expressionBehaviours(), scanBehaviours())
}

func tableBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a new table becomes ACTIVE", want: "CREATING; ACTIVE; arn:aws:dynamodb:us-east-1:000000000000:table",
			observe: func(p *probe) string {
				name := p.name("table")
				out, err := p.dynamodb.CreateTable(p.ctx, &dynamodb.CreateTableInput{
					TableName: &name, BillingMode: types.BillingModePayPerRequest,
					AttributeDefinitions: []types.AttributeDefinition{
						{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
					},
					KeySchema: []types.KeySchemaElement{
						{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash},
					},
				})
				p.must(err)
				var d *dynamodb.DescribeTableOutput
				p.within(10*time.Second, "table is ACTIVE", func() bool {
					d, err = p.dynamodb.DescribeTable(p.ctx, &dynamodb.DescribeTableInput{TableName: &name})
					p.must(err)
					return d.Table.TableStatus != types.TableStatusCreating
				})
				arn, _, _ := strings.Cut(*d.Table.TableArn, "/")
				return observations(out.TableDescription.TableStatus, d.Table.TableStatus, arn)
			},
		},
		{name: "creating a table twice is refused", want: "ResourceInUseException", observe: func(p *probe) string {
			name := p.table(false)
			_, err := p.dynamodb.CreateTable(p.ctx, &dynamodb.CreateTableInput{
				TableName: &name, BillingMode: types.BillingModePayPerRequest,
				AttributeDefinitions: []types.AttributeDefinition{
					{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
				},
				KeySchema: []types.KeySchemaElement{
					{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash},
				},
			})
			return code(err)
		}},
		{name: "a missing table is not found", want: "ResourceNotFoundException; ResourceNotFoundException; " +
			"ResourceNotFoundException; ResourceNotFoundException", observe: func(p *probe) string {
			name := aws.String(p.name("missing"))
			key := item{"id": str("a")}
			_, describe := p.dynamodb.DescribeTable(p.ctx, &dynamodb.DescribeTableInput{TableName: name})
			_, get := p.dynamodb.GetItem(p.ctx, &dynamodb.GetItemInput{TableName: name, Key: key})
			_, put := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{TableName: name, Item: key})
			_, scan := p.dynamodb.Scan(p.ctx, &dynamodb.ScanInput{TableName: name})
			return observations(describe, get, put, scan)
		}},
		{name: "a deleted table goes away", want: "ok; true", observe: func(p *probe) string {
			name := p.table(false)
			_, err := p.dynamodb.DeleteTable(p.ctx, &dynamodb.DeleteTableInput{TableName: &name})
			gone := false
			p.within(10*time.Second, "table is gone", func() bool {
				_, err := p.dynamodb.DescribeTable(p.ctx, &dynamodb.DescribeTableInput{TableName: &name})
				gone = code(err) == "ResourceNotFoundException"
				return gone
			})
			return observations(err, gone)
		}},
	}
}

func itemBehaviours() []behaviour {
	return []behaviour{
		{name: "every attribute type comes back", want: "b=00ff id=a l=[x 1 [y]] m=k=v n=null s= ss={p q} t=true " +
			"x=-1.5", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{
				"id": str("a"), "s": str(""), "x": num("-1.5"),
				"b": &types.AttributeValueMemberB{Value: []byte{0, 255}},
				"t": &types.AttributeValueMemberBOOL{Value: true}, "n": &types.AttributeValueMemberNULL{Value: true},
				"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{
					str("x"), num("1"), &types.AttributeValueMemberL{Value: []types.AttributeValue{str("y")}},
				}},
				"m":  &types.AttributeValueMemberM{Value: item{"k": str("v")}},
				"ss": &types.AttributeValueMemberSS{Value: []string{"q", "p"}},
			})
			return show(p.load(table, "a"))
		}},
		{name: "a missing item is no error", want: "0; -", observe: func(p *probe) string {
			got := p.load(p.table(false), "a")
			return observations(len(got), text(got["id"]))
		}},
		{name: "put replaces the whole item", want: "id=a y=2", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "x": num("1")}, item{"id": str("a"), "y": num("2")})
			return show(p.load(table, "a"))
		}},
		{name: "a number keeps 38 digits and loses its form", want: "12345678901234567890123456789012345678; 1; " +
			"100; 0.01", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{
				"id": str("a"), "long": num("12345678901234567890123456789012345678"), "one": num("1.00"),
				"e": num("1e2"), "small": num("1E-2"),
			})
			got := p.load(table, "a")
			return observations(text(got["long"]), text(got["one"]), text(got["e"]), text(got["small"]))
		}},
		{name: "a number of 39 digits is refused", want: "ValidationException", observe: func(p *probe) string {
			table := p.table(false)
			_, err := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{
				TableName: &table, Item: item{"id": str("a"), "n": num("123456789012345678901234567890123456789")},
			})
			return code(err)
		}},
		{name: "keys are validated", want: "ValidationException; ValidationException; ValidationException; " +
			"ValidationException", observe: func(p *probe) string {
			table := p.table(false)
			put := func(i item) error {
				_, err := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{TableName: &table, Item: i})
				return err
			}
			_, extra := p.dynamodb.GetItem(
				p.ctx, &dynamodb.GetItemInput{TableName: &table, Key: item{"id": str("a"), "x": str("b")}},
			)
			return observations(
				put(item{"x": str("no key")}), put(item{"id": num("1")}), put(item{"id": str("")}), extra,
			)
		}},
		{name: "an item holds 400 KiB", want: "ok; ValidationException", observe: func(p *probe) string {
			table := p.table(false)
			put := func(size int) error {
				_, err := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{
					TableName: &table, Item: item{"id": str("a"), "v": str(strings.Repeat("x", size))},
				})
				return err
			}
			return observations(put(400<<10-4), put(400<<10))
		}},
		{name: "delete answers with the old item on request", want: "id=a x=1; 0; ok", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "x": num("1")})
			out, err := p.dynamodb.DeleteItem(p.ctx, &dynamodb.DeleteItemInput{
				TableName: &table, Key: item{"id": str("a")}, ReturnValues: types.ReturnValueAllOld,
			})
			p.must(err)
			_, again := p.dynamodb.DeleteItem(
				p.ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: item{"id": str("a")}},
			)
			return observations(show(out.Attributes), len(p.load(table, "a")), again)
		}},
		{name: "an update makes the missing item", want: "id=a x=1; id=a x=1", observe: func(p *probe) string {
			table := p.table(false)
			out, err := p.update(table, "SET x = :x", "", nil, item{":x": num("1")})
			p.must(err)
			return observations(show(out.Attributes), show(p.load(table, "a")))
		}},
		{name: "SET, REMOVE and ADD in one update", want: "c=6 id=a new=fresh x=old", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "x": str("old"), "gone": str("y"), "c": num("5")})
			out, err := p.update(table,
				"SET x = if_not_exists(x, :f), #n = if_not_exists(#n, :f) REMOVE gone ADD c :one", "",
				map[string]string{"#n": "new"}, item{":f": str("fresh"), ":one": num("1")})
			p.must(err)
			return show(out.Attributes)
		}},
		{name: "arithmetic reads the item as it was", want: "a=2 b=1 id=a", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "a": num("1"), "b": num("2")})
			out, err := p.update(table, "SET a = b, b = a", "", nil, nil)
			p.must(err)
			return show(out.Attributes)
		}},
		{name: "lists grow and sets lose members", want: "id=a l=[x y z] s={q}", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{
				"id": str("a"), "l": &types.AttributeValueMemberL{Value: []types.AttributeValue{str("x")}},
				"s": &types.AttributeValueMemberSS{Value: []string{"p", "q"}},
			})
			out, err := p.update(table, "SET l = list_append(l, :l) DELETE s :s", "", nil, item{
				":l": &types.AttributeValueMemberL{Value: []types.AttributeValue{str("y"), str("z")}},
				":s": &types.AttributeValueMemberSS{Value: []string{"p"}},
			})
			p.must(err)
			return show(out.Attributes)
		}},
		{name: "ReturnValues says which attributes", want: "x=1; id=a x=1 y=1; x=2; ", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "x": num("1"), "y": num("1")})
			var s []any
			for i, want := range []types.ReturnValue{
				types.ReturnValueUpdatedOld, types.ReturnValueAllOld, types.ReturnValueUpdatedNew,
				types.ReturnValueNone,
			} {
				value := []string{"1", "2", "2", "3"}[i]
				out, err := p.dynamodb.UpdateItem(p.ctx, &dynamodb.UpdateItemInput{
					TableName: &table, Key: item{"id": str("a")}, UpdateExpression: aws.String("SET x = :x"),
					ExpressionAttributeValues: item{":x": num(value)}, ReturnValues: want,
				})
				p.must(err)
				s = append(s, show(out.Attributes))
			}
			return observations(s...)
		}},
		{name: "a failed condition changes nothing and can tell the item", want: "ConditionalCheckFailedException; " +
			"id=a x=1; id=a x=1", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "x": num("1")})
			_, err := p.dynamodb.UpdateItem(p.ctx, &dynamodb.UpdateItemInput{
				TableName: &table, Key: item{"id": str("a")}, UpdateExpression: aws.String("SET x = :y"),
				ConditionExpression:                 aws.String("x = :y"),
				ExpressionAttributeValues:           item{":y": num("2")},
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			})
			return observations(err, show(failedItem(err)), show(p.load(table, "a")))
		}},
		{
			name: "put on the condition that nothing is there", want: "ok; ConditionalCheckFailedException",
			observe: func(p *probe) string {
				table := p.table(false)
				put := func() error {
					_, err := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{
						TableName: &table, Item: item{"id": str("a")},
						ConditionExpression: aws.String("attribute_not_exists(id)"),
					})
					return err
				}
				return observations(put(), put())
			},
		},
		{
			name: "a condition on a missing item fails and makes none", want: "ConditionalCheckFailedException; 0",
			observe: func(p *probe) string {
				table := p.table(false)
				_, err := p.update(table, "SET x = :x", "x = :x", nil, item{":x": num("1")})
				return observations(err, len(p.load(table, "a")))
			},
		},
		{name: "refused updates", want: "ValidationException; ValidationException; ValidationException; " +
			"ValidationException; ValidationException; ValidationException", observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, item{"id": str("a"), "s": str("text")})
			_, key := p.update(table, "SET id = :v", "", nil, item{":v": str("b")})
			_, typed := p.update(table, "ADD s :v", "", nil, item{":v": num("1")})
			_, twice := p.update(table, "SET x = :v, x = :v", "", nil, item{":v": num("1")})
			_, unused := p.update(table, "SET x = :v", "", nil, item{":v": num("1"), ":w": num("1")})
			_, undefined := p.update(table, "SET x = :w", "", nil, nil)
			_, operand := p.update(table, "SET x = absent", "", nil, nil)
			return observations(key, typed, twice, unused, undefined, operand)
		}},
	}
}

func expressionBehaviours() []behaviour {
	row := item{
		"id": str("a"), "n": num("10"), "s": str("shard-1"), "t": &types.AttributeValueMemberBOOL{Value: true},
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{str("x"), str("y")}},
		"m":  &types.AttributeValueMemberM{Value: item{"k": num("1")}},
		"ss": &types.AttributeValueMemberSS{Value: []string{"p", "q"}},
	}
	values := item{
		":ten": num("10.0"), ":nine": num("9"), ":s": str("shard"), ":x": str("x"), ":p": str("p"), ":one": num("1"),
		":two": num("2"), ":S": str("S"),
	}
	conditions := func(name, want string, of ...string) behaviour {
		return behaviour{name: name, want: want, observe: func(p *probe) string {
			table := p.table(false)
			p.store(table, row)
			return p.truth(table, values, of...)
		}}
	}
	return []behaviour{
		conditions("comparisons go by value and type", "true false true true true false true true",
			"n = :ten", "n = :s", "n > :nine", "n <> :s", "s > :s", "absent = :ten", "absent <> n",
			"n BETWEEN :nine AND :ten"),
		conditions("numbers are not compared as text", "true false", "n > :nine", "n < :nine"),
		conditions("IN, AND, OR, NOT and brackets", "true true false true true",
			"n IN (:nine, :ten)", "n = :nine OR n = :ten AND s <> :s", "NOT n = :ten", "NOT (n = :nine AND n = :ten)",
			"NOT n = :nine AND s <> :s"),
		conditions("functions of a condition", "true false true true true true true true",
			"attribute_exists(n)", "attribute_exists(absent)", "attribute_not_exists(absent)", "begins_with(s, :s)",
			"contains(l, :x)", "contains(ss, :p)", "size(l) = :two", "attribute_type(s, :S)"),
		conditions("document paths", "true true false false", "m.k = :one", "l[0] = :x", "l[7] = :x", "m.q = :one"),
		conditions(
			"a reserved word needs a placeholder", "ValidationException ValidationException", "status = :one",
			"attribute_exists(owner)",
		),
		conditions(
			"a broken condition is refused", "ValidationException ValidationException ValidationException", "n = ",
			"n == :ten", "unknown(n)",
		),
		{name: "a placeholder stands for a reserved word", want: "id=a owner=w", observe: func(p *probe) string {
			out, err := p.update(
				p.table(false), "SET #o = :v", "attribute_not_exists(#o)", map[string]string{"#o": "owner"},
				item{":v": str("w")},
			)
			p.must(err)
			return show(out.Attributes)
		}},
		{
			name: "an unused placeholder is refused", want: "ValidationException; ValidationException",
			observe: func(p *probe) string {
				table := p.table(false)
				_, unused := p.update(table, "SET x = :v", "", map[string]string{"#o": "owner"}, item{":v": str("w")})
				_, undefined := p.update(table, "SET #o = :v", "", nil, item{":v": str("w")})
				return observations(unused, undefined)
			},
		},
	}
}

func scanBehaviours() []behaviour {
	fill := func(p *probe, n int) string {
		table := p.table(false)
		for i := range n {
			p.store(table, item{"id": str(fmt.Sprintf("row-%02d", i)), "n": num(fmt.Sprint(i)), "x": str("y")})
		}
		return table
	}
	return []behaviour{
		{name: "a scan goes page by page over every item", want: "3,3,1; 7", observe: func(p *probe) string {
			table := fill(p, 7)
			var sizes []string
			seen := map[string]bool{}
			in := &dynamodb.ScanInput{TableName: &table, Limit: aws.Int32(3), ConsistentRead: aws.Bool(true)}
			for range 10 {
				out, err := p.dynamodb.Scan(p.ctx, in)
				p.must(err)
				sizes = append(sizes, fmt.Sprint(len(out.Items)))
				for _, i := range out.Items {
					seen[text(i["id"])] = true
				}
				if in.ExclusiveStartKey = out.LastEvaluatedKey; out.LastEvaluatedKey == nil {
					break
				}
			}
			return observations(strings.Join(sizes, ","), len(seen))
		}},
		{name: "a filter counts what it read and what it kept", want: "2; 5; n=3,n=4", observe: func(p *probe) string {
			table := fill(p, 5)
			out, err := p.dynamodb.Scan(p.ctx, &dynamodb.ScanInput{
				TableName: &table, FilterExpression: aws.String("n >= :three"), ProjectionExpression: aws.String("n"),
				ExpressionAttributeValues: item{":three": num("3")},
			})
			p.must(err)
			var s []string
			for _, i := range out.Items {
				s = append(s, show(i))
			}
			slices.Sort(s)
			return observations(out.Count, out.ScannedCount, strings.Join(s, ","))
		}},
		{name: "a projection leaves the rest out", want: "id=row-00 n=0", observe: func(p *probe) string {
			table := fill(p, 1)
			out, err := p.dynamodb.GetItem(p.ctx, &dynamodb.GetItemInput{
				TableName: &table, Key: item{"id": str("row-00")}, ProjectionExpression: aws.String("id, n"),
			})
			p.must(err)
			return show(out.Item)
		}},

		{name: "consumed capacity counts whole units", want: "1; 0.5; 1; 2", observe: func(p *probe) string {
			table := fill(p, 1)
			key, total := item{"id": str("row-00")}, types.ReturnConsumedCapacityTotal
			strong, err := p.dynamodb.GetItem(p.ctx, &dynamodb.GetItemInput{
				TableName: &table, Key: key, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: total,
			})
			p.must(err)
			weak, err := p.dynamodb.GetItem(
				p.ctx, &dynamodb.GetItemInput{TableName: &table, Key: key, ReturnConsumedCapacity: total},
			)
			p.must(err)
			put, err := p.dynamodb.PutItem(
				p.ctx, &dynamodb.PutItemInput{TableName: &table, Item: key, ReturnConsumedCapacity: total},
			)
			p.must(err)
			large, err := p.dynamodb.PutItem(p.ctx, &dynamodb.PutItemInput{
				TableName: &table, Item: item{"id": str("l"), "v": str(strings.Repeat("x", 1500))},
				ReturnConsumedCapacity: total,
			})
			p.must(err)
			return observations(
				*strong.ConsumedCapacity.CapacityUnits, *weak.ConsumedCapacity.CapacityUnits,
				*put.ConsumedCapacity.CapacityUnits, *large.ConsumedCapacity.CapacityUnits,
			)
		}},
	}
}
