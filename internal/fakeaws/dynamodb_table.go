package fakeaws

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Billing modes and table states, as on the wire.
const (
	billingProvisioned = "PROVISIONED"
	billingOnDemand    = "PAY_PER_REQUEST"

	tableCreating = "CREATING"
	tableActive   = "ACTIVE"
	tableDeleting = "DELETING"
)

// The sizes in bytes that a key may have, an attribute name, and an item.
const (
	maxHashKeySize  = 2048
	maxRangeKeySize = 1024
	maxName         = 64<<10 - 1
	maxItem         = 400 << 10
)

// ddbKey is one attribute of a primary key; code is S, N or B.
type ddbKey struct{ name, code string }

// ddbTable is one table. It is guarded by DynamoDB.mu.
type ddbTable struct {
	name, arn, id    string
	created, active  time.Time
	gone             time.Time // when a table being deleted vanishes; zero if it is not
	billing          string
	readCap, writCap int64
	protected        bool
	recovery         bool // point-in-time
	tags             map[string]string
	ttl              string // attribute, empty when disabled

	hash ddbKey
	rng  *ddbKey // nil without a range key

	rows []*ddbRow // in the order of compareRows
}

// ddbRow is one item at its place: point is the hash of the partition key, which is what a scan is ordered by.
type ddbRow struct {
	point     uint64
	hash, rng attr // rng is nil without a range key
	item      attrMap
	size      int
}

func compareRows(a, b *ddbRow) int {
	if order := cmp.Compare(a.point, b.point); order != 0 {
		return order
	}
	if order, _ := attrCompare(a.hash, b.hash); order != 0 {
		return order
	}
	order, _ := attrCompare(a.rng, b.rng)
	return order
}

// point places a partition key on the ring. The order is arbitrary but fixed, so that no test relies on
// sorted scans and runs are still repeatable.
func point(hash attr) uint64 {
	var key []byte
	switch v := hash.(type) {
	case attrString:
		key = []byte(v)
	case attrNumber:
		key = []byte(v.String())
	case attrBinary:
		key = v
	}
	sum := sha256.Sum256(key)
	return binary.BigEndian.Uint64(sum[:])
}

func (t *ddbTable) status(now time.Time) string {
	switch {
	case !t.gone.IsZero():
		return tableDeleting
	case now.Before(t.active):
		return tableCreating
	}
	return tableActive
}

// keys lists the primary key's attributes.
func (t *ddbTable) keys() []ddbKey {
	if t.rng == nil {
		return []ddbKey{t.hash}
	}
	return []ddbKey{t.hash, *t.rng}
}

func (t *ddbTable) isKey(name string) bool {
	return slices.ContainsFunc(t.keys(), func(k ddbKey) bool { return k.name == name })
}

// find returns where a row is, or would be.
func (t *ddbTable) find(r *ddbRow) (int, bool) {
	return slices.BinarySearchFunc(t.rows, r, compareRows)
}

// get returns the item at a row's place, or nil.
func (t *ddbTable) get(r *ddbRow) *ddbRow {
	if i, ok := t.find(r); ok {
		return t.rows[i]
	}
	return nil
}

// rowToPut makes the row of an item to be stored: its keys have to be there, of the schema's type and legal.
func (t *ddbTable) rowToPut(item attrMap) (*ddbRow, error) {
	for _, k := range t.keys() {
		v, ok := item[k.name]
		if !ok {
			return nil, validation("One or more parameter values were invalid: Missing the key %s in the item", k.name)
		}
		if v.code() != k.code {
			return nil, validation(
				"One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", k.name,
				k.code, v.code(),
			)
		}
	}
	for name := range item {
		if name == "" || len(name) > maxName {
			return nil, validation(
				"One or more parameter values were invalid: An attribute name must have a length between 1 and %d, "+
					"not %d",
				maxName, len(name),
			)
		}
	}
	r, err := t.row(item)
	if err != nil {
		return nil, err
	}
	if r.size = itemSize(item); r.size > maxItem {
		return nil, validation("Item size has exceeded the maximum allowed size")
	}
	return r, nil
}

// rowAt makes the row that a Key names: exactly the primary key.
func (t *ddbTable) rowAt(key attrMap) (*ddbRow, error) {
	for _, k := range t.keys() {
		if v, ok := key[k.name]; !ok || v.code() != k.code || len(key) != len(t.keys()) {
			return nil, validation("The provided key element does not match the schema")
		}
	}
	return t.row(key)
}

func (t *ddbTable) row(item attrMap) (*ddbRow, error) {
	r := &ddbRow{hash: item[t.hash.name], item: item}
	r.point = point(r.hash)
	if err := checkKey(t.hash, r.hash, "hash", maxHashKeySize); err != nil {
		return nil, err
	}
	if t.rng != nil {
		r.rng = item[t.rng.name]
		if err := checkKey(*t.rng, r.rng, "range", maxRangeKeySize); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func checkKey(k ddbKey, v attr, kind string, limit int) error {
	if v.code() == "N" {
		return nil
	}
	switch size := v.size(); {
	case size == 0:
		what := "string"
		if v.code() == "B" {
			what = "binary"
		}
		return validation(
			"One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "+
				"empty %s value. Key: %s",
			what, k.name,
		)
	case size > limit:
		return validation(
			"One or more parameter values were invalid: Size of %skey has exceeded the maximum size limit of%d bytes",
			kind, limit,
		)
	}
	return nil
}

// keyOf is the primary key of a row, as it stands in LastEvaluatedKey.
func (t *ddbTable) keyOf(r *ddbRow) attrMap {
	key := attrMap{t.hash.name: r.hash}
	if t.rng != nil {
		key[t.rng.name] = r.rng
	}
	return key
}

var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// table returns a table in any state. The name may be an ARN.
func (d *DynamoDB) table(name string) (*ddbTable, error) {
	if _, after, ok := strings.Cut(name, ":table/"); ok && strings.HasPrefix(name, "arn:") {
		name = after
	}
	if !tableName.MatchString(name) {
		return nil, validation(
			"TableName must be at least 3 characters long and at most 255 characters long, and match "+
				"[a-zA-Z0-9_.-]+: %q",
			name,
		)
	}
	t, ok := d.tables[name]
	if ok && !t.gone.IsZero() && !time.Now().Before(t.gone) {
		delete(d.tables, name)
		ok = false
	}
	if !ok {
		return nil, errorf("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
	}
	return t, nil
}

// usable returns a table that items may be read from and written to.
func (d *DynamoDB) usable(name string) (*ddbTable, error) {
	t, err := d.table(name)
	if err != nil {
		return nil, err
	}
	if t.status(time.Now()) != tableActive {
		return nil, errorf("ResourceNotFoundException", "Requested resource not found")
	}
	return t, nil
}

type (
	wireKeySchema []struct{ AttributeName, KeyType string }
	wireAttrDefs  []struct{ AttributeName, AttributeType string }

	wireTags           []struct{ Key, Value string }
	createTableRequest struct {
		TableName                 string
		KeySchema                 wireKeySchema
		AttributeDefinitions      wireAttrDefs
		BillingMode               string
		ProvisionedThroughput     *struct{ ReadCapacityUnits, WriteCapacityUnits int64 }
		DeletionProtectionEnabled bool
		Tags                      wireTags
		GlobalSecondaryIndexes    json.RawMessage
		LocalSecondaryIndexes     json.RawMessage
	}
)

func (d *DynamoDB) createTable(req *Request) (any, error) {
	var in createTableRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	now := time.Now()
	t := &ddbTable{
		name: in.TableName, created: now, active: now.Add(d.activation), protected: in.DeletionProtectionEnabled,
		tags: in.Tags.onto(map[string]string{}),
		arn:  fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", d.region, d.account, in.TableName),
	}
	if !tableName.MatchString(in.TableName) {
		return nil, validation(
			"TableName must be at least 3 characters long and at most 255 characters long, and match "+
				"[a-zA-Z0-9_.-]+: %q",
			in.TableName,
		)
	}
	if in.GlobalSecondaryIndexes != nil || in.LocalSecondaryIndexes != nil {
		return nil, validation("fakeaws: secondary indexes are not emulated")
	}
	if err := t.setKeys(in.KeySchema, in.AttributeDefinitions); err != nil {
		return nil, err
	}
	if err := t.setBilling(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.table(in.TableName); err == nil {
		return nil, errorf("ResourceInUseException", "Table already exists: %s", in.TableName)
	}
	d.created++
	t.id = fmt.Sprintf("00000000-0000-4000-8000-%012d", d.created)
	d.tables[t.name] = t
	return map[string]any{"TableDescription": t.describe(now)}, nil
}

func (t *ddbTable) setKeys(schema wireKeySchema, defs wireAttrDefs) error {
	if n := len(schema); n < 1 || n > 2 {
		return validation(
			"1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have " +
				"length between 1 and 2",
		)
	}
	if schema[0].KeyType != "HASH" {
		return validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	if len(schema) == 2 && schema[1].KeyType != "RANGE" {
		return validation("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	if len(schema) == 2 && schema[0].AttributeName == schema[1].AttributeName {
		return validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	}
	codes := map[string]string{}
	for _, def := range defs {
		if !slices.Contains([]string{"S", "N", "B"}, def.AttributeType) {
			return validation("1 validation error detected: Value '%s' at "+
				"'attributeDefinitions.member.attributeType' failed to satisfy constraint: "+
				"Member must satisfy enum value set: [B, N, S]", def.AttributeType)
		}
		codes[def.AttributeName] = def.AttributeType
	}
	if len(codes) != len(defs) {
		return validation("One or more parameter values were invalid: Duplicate AttributeName in AttributeDefinitions")
	}
	for i, k := range schema {
		code, ok := codes[k.AttributeName]
		if !ok {
			return validation("One or more parameter values were invalid: Some index key attributes are not "+
				"defined in AttributeDefinitions. "+
				"Keys: [%s], AttributeDefinitions: %v", k.AttributeName, slices.Sorted(maps.Keys(codes)))
		}
		if key := (ddbKey{name: k.AttributeName, code: code}); i == 0 {
			t.hash = key
		} else {
			t.rng = &key
		}
	}
	if len(codes) != len(schema) {
		return validation(
			"One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match " +
				"number of attributes defined in AttributeDefinitions",
		)
	}
	return nil
}

func (t *ddbTable) setBilling(in *createTableRequest) error {
	t.billing = cmp.Or(in.BillingMode, billingProvisioned)
	switch p := in.ProvisionedThroughput; {
	case t.billing != billingProvisioned && t.billing != billingOnDemand:
		return validation("1 validation error detected: Value '%s' at 'billingMode' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]", t.billing)
	case t.billing == billingOnDemand && p != nil && (p.ReadCapacityUnits > 0 || p.WriteCapacityUnits > 0):
		return validation(
			"One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be " +
				"specified when BillingMode is PAY_PER_REQUEST",
		)
	case t.billing == billingProvisioned && (p == nil || p.ReadCapacityUnits < 1 || p.WriteCapacityUnits < 1):
		return validation(
			"One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be " +
				"specified when BillingMode is PROVISIONED",
		)
	case t.billing == billingProvisioned:
		t.readCap, t.writCap = p.ReadCapacityUnits, p.WriteCapacityUnits
	}
	return nil
}

// describe is the TableDescription. Unlike AWS' six-hourly figures, item count and size are exact.
func (t *ddbTable) describe(now time.Time) map[string]any {
	bytes := 0
	for _, r := range t.rows {
		bytes += r.size
	}
	var schema, defs []map[string]string
	for i, k := range t.keys() {
		schema = append(schema, map[string]string{"AttributeName": k.name, "KeyType": []string{"HASH", "RANGE"}[i]})
		defs = append(defs, map[string]string{"AttributeName": k.name, "AttributeType": k.code})
	}
	out := map[string]any{
		"TableName": t.name, "TableArn": t.arn, "TableId": t.id, "TableStatus": t.status(now),
		"CreationDateTime": float64(t.created.UnixMilli()) / 1000, "ItemCount": len(t.rows), "TableSizeBytes": bytes,
		"KeySchema": schema, "AttributeDefinitions": defs, "DeletionProtectionEnabled": t.protected,
		"ProvisionedThroughput": map[string]any{
			"ReadCapacityUnits": t.readCap, "WriteCapacityUnits": t.writCap, "NumberOfDecreasesToday": 0,
		},
	}
	if t.billing == billingOnDemand {
		out["BillingModeSummary"] = map[string]any{"BillingMode": t.billing}
	}
	return out
}

type tableRequest struct{ TableName string }

func (d *DynamoDB) describeTable(req *Request) (any, error) {
	var in tableRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Table": t.describe(time.Now())}, nil
}

func (d *DynamoDB) deleteTable(req *Request) (any, error) {
	var in tableRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	switch {
	case t.protected:
		return nil, validation(
			"Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection " +
				"first.",
		)
	case t.status(now) == tableCreating:
		return nil, errorf(
			"ResourceInUseException",
			"Attempt to change a resource which is still in use: Table is being created: %s", t.name,
		)
	case t.status(now) == tableActive:
		t.gone = now.Add(d.activation)
		d.drain(t)
	}
	return map[string]any{"TableDescription": t.describe(now)}, nil
}

// drain empties a table that goes away.
func (d *DynamoDB) drain(t *ddbTable) {
	rows := t.rows
	t.rows = nil
	for _, r := range rows {
		d.notify(t, r.item, nil)
	}
}

func (d *DynamoDB) listTables(req *Request) (any, error) {
	in := struct {
		ExclusiveStartTableName string
		Limit                   int
	}{Limit: 100}
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	if in.Limit < 1 || in.Limit > 100 {
		return nil, validation(
			"1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must be "+
				"between 1 and 100",
			in.Limit,
		)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		if _, err := d.table(name); err == nil && name > in.ExclusiveStartTableName {
			names = append(names, name)
		}
	}
	out := map[string]any{}
	if len(names) > in.Limit {
		names = names[:in.Limit]
		out["LastEvaluatedTableName"] = names[len(names)-1]
	}
	out["TableNames"] = names
	return out, nil
}

func (d *DynamoDB) updateTimeToLive(req *Request) (any, error) {
	var in struct {
		TableName               string
		TimeToLiveSpecification struct {
			AttributeName string
			Enabled       bool
		}
	}
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(in.TableName)
	if err != nil {
		return nil, err
	}
	spec := in.TimeToLiveSpecification
	switch {
	case spec.AttributeName == "" || len(spec.AttributeName) > 255:
		return nil, validation("TimeToLiveSpecification.AttributeName must have a length between 1 and 255")
	case spec.Enabled && t.ttl != "":
		return nil, validation("TimeToLive is already enabled")
	case !spec.Enabled && t.ttl == "":
		return nil, validation("TimeToLive is already disabled")
	case !spec.Enabled && t.ttl != spec.AttributeName:
		return nil, validation("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl)
	case spec.Enabled:
		t.ttl = spec.AttributeName
	default:
		t.ttl = ""
	}
	return map[string]any{
		"TimeToLiveSpecification": map[string]any{"AttributeName": spec.AttributeName, "Enabled": spec.Enabled},
	}, nil
}

func (d *DynamoDB) describeTimeToLive(req *Request) (any, error) {
	var in tableRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"TimeToLiveStatus": "DISABLED"}
	if t.ttl != "" {
		out = map[string]any{"TimeToLiveStatus": "ENABLED", "AttributeName": t.ttl}
	}
	return map[string]any{"TimeToLiveDescription": out}, nil
}

func (tags wireTags) onto(all map[string]string) map[string]string {
	for _, t := range tags {
		all[t.Key] = t.Value
	}
	return all
}

// tagged finds a table by its ARN.
func (d *DynamoDB) tagged(arn string) (*ddbTable, error) {
	for _, t := range d.tables {
		if t.arn == arn && (t.gone.IsZero() || time.Now().Before(t.gone)) {
			return t, nil
		}
	}
	return nil, errorf("ResourceNotFoundException", "Requested resource not found: ResourceArn: %s not found", arn)
}

// tagResource answers without a body, as AWS does.
func (d *DynamoDB) tagResource(req *Request) (any, error) {
	var in struct {
		ResourceArn string
		Tags        wireTags
	}
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	in.Tags.onto(t.tags)
	return nil, nil
}

func (d *DynamoDB) listTagsOfResource(req *Request) (any, error) {
	var in struct{ ResourceArn string }
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags := []map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(t.tags)) {
		tags = append(tags, map[string]string{"Key": key, "Value": t.tags[key]})
	}
	return map[string]any{"Tags": tags}, nil
}

func (d *DynamoDB) describeContinuousBackups(req *Request) (any, error) {
	var in tableRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, errorf("TableNotFoundException", "Table not found: %s", in.TableName)
	}
	return t.backups(), nil
}

// updateContinuousBackups knows a new table some time after DescribeTable does, as AWS does.
func (d *DynamoDB) updateContinuousBackups(req *Request) (any, error) {
	var in struct {
		TableName                        string
		PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
	}
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(in.TableName)
	switch {
	case err != nil:
		return nil, errorf("TableNotFoundException", "Table not found: %s", in.TableName)
	case time.Now().Before(t.active.Add(d.activation)):
		return nil, errorf("ContinuousBackupsUnavailableException",
			"Backups are being enabled for the table: %s. Please retry later", in.TableName)
	}
	t.recovery = in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
	return t.backups(), nil
}

func (t *ddbTable) backups() map[string]any {
	recovery := "DISABLED"
	if t.recovery {
		recovery = "ENABLED"
	}
	return map[string]any{"ContinuousBackupsDescription": map[string]any{
		"ContinuousBackupsStatus":        "ENABLED",
		"PointInTimeRecoveryDescription": map[string]any{"PointInTimeRecoveryStatus": recovery},
	}}
}
