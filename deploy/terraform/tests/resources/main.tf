# The module beside resources of the same configuration: nothing that it is given has a value yet when Terraform plans.
resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "this" {
  count = 2

  vpc_id     = aws_vpc.this.id
  cidr_block = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)
}

resource "aws_security_group" "prometheus" {
  vpc_id = aws_vpc.this.id
}

resource "aws_kms_key" "this" {}

resource "aws_kinesis_stream" "this" {
  name             = "readings"
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.this.arn
  retention_period = 24

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_kinesis_stream" "output" {
  name = "scored"

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_sns_topic" "this" {
  for_each = toset(["oncall", "office"])

  name              = each.key
  kms_master_key_id = aws_kms_key.this.arn
}

resource "aws_ecs_cluster" "this" {
  name = "shared"
}

resource "aws_ecr_repository" "this" {
  name = "kinesis-alerter"
}

resource "aws_secretsmanager_secret" "word" {
  name       = "word"
  kms_key_id = aws_kms_key.this.arn
}

resource "aws_ssm_parameter" "config" {
  name  = "/alerts/config"
  type  = "String"
  value = "stream: {}"
}

resource "aws_iam_policy" "boundary" {
  policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

# Everything is there.
module "beside" {
  source = "../.."

  name                       = "beside"
  image                      = "${aws_ecr_repository.this.repository_url}:1.2.3"
  ecr_repository_arn         = aws_ecr_repository.this.arn
  environment                = { OFFICE_TOPIC_ARN = aws_sns_topic.this["office"].arn }
  secrets                    = { WORD = aws_secretsmanager_secret.word.arn, KINESIS_ALERTER_CONFIG = aws_ssm_parameter.config.arn }
  secrets_kms_key_arns       = [aws_kms_key.this.arn]
  stream                     = { arn = aws_kinesis_stream.this.arn, kms_key_arn = aws_kms_key.this.arn }
  topic_arns                 = [aws_sns_topic.this["oncall"].arn, aws_sns_topic.this["office"].arn]
  topic_kms_key_arns         = [aws_kms_key.this.arn]
  output_stream_arns         = [aws_kinesis_stream.output.arn]
  output_kms_key_arns        = [aws_kms_key.this.arn]
  kms_key_arn                = aws_kms_key.this.arn
  permissions_boundary_arn   = aws_iam_policy.boundary.arn
  cluster                    = { arn = aws_ecs_cluster.this.arn }
  vpc_id                     = aws_vpc.this.id
  subnet_ids                 = aws_subnet.this[*].id
  egress_cidr_ipv4           = aws_vpc.this.cidr_block
  scraper_security_group_ids = { prometheus = aws_security_group.prometheus.id }
  alarms                     = { actions = [aws_sns_topic.this["office"].arn] }
}

# Only the key is, and what has to be.
module "anew" {
  source = "../.."

  name        = "anew"
  image       = "registry.example.com/kinesis-alerter:1.2.3"
  config      = "{stream: {application: anew}, rules: [{name: '${aws_kms_key.this.arn}'}]}"
  kms_key_arn = aws_kms_key.this.arn
  vpc_id      = aws_vpc.this.id
  subnet_ids  = aws_subnet.this[*].id
}

output "topic_arns" {
  value = [aws_sns_topic.this["oncall"].arn, aws_sns_topic.this["office"].arn]
}

output "cluster_arn" {
  value = aws_ecs_cluster.this.arn
}

output "key_arn" {
  value = aws_kms_key.this.arn
}

output "beside" {
  value = module.beside
}

output "anew" {
  value = module.anew
}
