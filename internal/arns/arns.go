// Package arns knows which ARNs of AWS can exist.
package arns

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// partition is one of AWS' separate clouds, with the regions that it had in November 2026.
type partition struct {
	name    string
	shape   *regexp.Regexp // of its regions' names
	regions []string
}

// partitions are all that are known, from the endpoint rules of the SDK
// (internal/endpoints/awsrulesfn/partitions.json).
func partitions() []partition {
	return []partition{
		{"aws-cn", regexp.MustCompile(`^cn-[a-z]+-[0-9]+$`), []string{"cn-north-1", "cn-northwest-1"}},
		{"aws-us-gov", regexp.MustCompile(`^us-gov-[a-z]+-[0-9]+$`), []string{"us-gov-east-1", "us-gov-west-1"}},
		{"aws-iso", regexp.MustCompile(`^us-iso-[a-z]+-[0-9]+$`), []string{"us-iso-east-1", "us-iso-west-1"}},
		{"aws-iso-b", regexp.MustCompile(`^us-isob-[a-z]+-[0-9]+$`), []string{"us-isob-east-1", "us-isob-west-1"}},
		{"aws-iso-e", regexp.MustCompile(`^eu-isoe-[a-z]+-[0-9]+$`), []string{"eu-isoe-west-1"}},
		{"aws-iso-f", regexp.MustCompile(`^us-isof-[a-z]+-[0-9]+$`), []string{"us-isof-east-1", "us-isof-south-1"}},
		{"aws-eusc", regexp.MustCompile(`^eusc-de-[a-z]+-[0-9]+$`), []string{"eusc-de-east-1"}},
		{"aws", regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]+$`), []string{
			"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
			"ap-south-1", "ap-south-2",
			"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
			"ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1",
			"eu-south-2",
			"eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
			"sa-east-1",
			"us-east-1", "us-east-2", "us-west-1", "us-west-2",
		}},
	}
}

// Check returns what is wrong with the partition, the region or the account of an ARN, or an empty string. It says
// nothing about the rest of it. An unknown region is not a fault, because regions are added; see Unknown.
func Check(a arn.ARN) string {
	all := partitions()
	i := slices.IndexFunc(all, func(p partition) bool { return p.name == a.Partition })
	switch {
	case i < 0:
		return fmt.Sprintf(
			"there is no partition %q; most have aws, those of China aws-cn, those of GovCloud aws-us-gov",
			a.Partition,
		)
	case a.Region == "" || strings.ContainsFunc(a.Region, notOfRegion):
		return fmt.Sprintf("%q is no region; they are called as us-east-1 is", a.Region)
	case len(a.AccountID) != 12 || strings.ContainsFunc(a.AccountID, func(r rune) bool { return r < '0' || r > '9' }):
		return fmt.Sprintf("%q is no account; they have twelve digits", a.AccountID)
	}
	at := slices.IndexFunc(all, func(p partition) bool { return p.shape.MatchString(a.Region) })
	if at >= 0 && at != i {
		return fmt.Sprintf("the region %s is in the partition %s, not in %s", a.Region, all[at].name, a.Partition)
	}
	return ""
}

// CheckRole returns what is wrong with the ARN of an IAM role, or an empty string.
func CheckRole(s string) string {
	a, err := arn.Parse(s)
	name, isRole := strings.CutPrefix(a.Resource, "role/")
	if err != nil || a.Service != "iam" || a.Region != "" || !isRole || name == "" || len(s) > 2048 ||
		strings.HasSuffix(name, "/") || strings.ContainsFunc(name, notOfRole) {
		return "must be the ARN of an IAM role, arn:aws:iam::<account>:role/<name>"
	}
	for _, p := range partitions() { // IAM has no regions: any one of the partition does
		if p.name == a.Partition {
			a.Region = p.regions[0]
		}
	}
	a.Region = cmp.Or(a.Region, "us-east-1")
	return Check(a)
}

// notOfRole says that a rune is in no role's path and name.
func notOfRole(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"*?<>\\`, r) }

// Partition returns the partition of an ARN; empty where s is none.
func Partition(s string) string {
	a, err := arn.Parse(s)
	if err != nil {
		return ""
	}
	return a.Partition
}

func notOfRegion(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

// IsRegion reports whether s has the shape of a region's name.
func IsRegion(s string) bool {
	return slices.ContainsFunc(partitions(), func(p partition) bool { return p.shape.MatchString(s) })
}

// Unknown reports whether the region of an ARN, or of a queue's URL, is unknown to this program: it may be newer than
// this program, or mistyped.
func Unknown(s string) (region string, unknown bool) {
	region = Region(s)
	if region == "" {
		return "", false
	}
	return region, !slices.ContainsFunc(
		partitions(), func(p partition) bool { return slices.Contains(p.regions, region) },
	)
}

// queueHost finds the region in the host of a queue's URL.
func queueHost() *regexp.Regexp {
	return regexp.MustCompile(
		`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$`,
	)
}

// Region returns the region of an ARN, or of the URL of a queue; empty where it has none.
func Region(s string) string {
	if a, err := arn.Parse(s); err == nil {
		return a.Region
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	if m := queueHost().FindStringSubmatch(u.Hostname()); m != nil {
		return m[1] + m[2]
	}
	return ""
}
