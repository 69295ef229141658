# The module beside resources of the same configuration. Planning is what goes wrong there: a count or a key of for_each
# that comes from them has no value yet.
mock_provider "aws" {
  source = "./tests/mocks"

  # The resources of tests/resources, with names as AWS would make them.
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:000000000000:key/1" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:us-east-1:000000000000:repository/kinesis-alerter"
      repository_url = "000000000000.dkr.ecr.us-east-1.amazonaws.com/kinesis-alerter"
    }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:word-AbCdEf" }
  }
  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:us-east-1:000000000000:parameter/alerts/config" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::000000000000:policy/boundary" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::000000000000:role/alerts" }
  }
  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:us-east-1:000000000000:table/alerts" }
  }
  override_resource {
    target = aws_kinesis_stream.this
    values = { arn = "arn:aws:kinesis:us-east-1:000000000000:stream/readings" }
  }
}

run "plan" {
  command = plan
  module {
    source = "./tests/resources"
  }
}

run "apply" {
  module {
    source = "./tests/resources"
  }
  assert {
    condition     = output.beside.stream_arn == "arn:aws:kinesis:us-east-1:000000000000:stream/readings" && output.anew.stream_arn == "arn:aws:kinesis:us-east-1:000000000000:stream/alerts"
    error_message = "The stream is that of the resource, or one that is made."
  }
  assert {
    condition     = output.beside.cluster_arn == output.cluster_arn && output.anew.cluster_arn != ""
    error_message = "The cluster is that of the resource, or one that is made."
  }
  assert {
    condition     = output.beside.topic_arns == tolist(output.topic_arns) && length(output.anew.topic_arns) == 1
    error_message = "The topics are those of the resources, or one that is made."
  }
  assert {
    condition = [for s in jsondecode(output.beside.task_policy_json).Statement : s.Sid] == [
      "ReadStream", "Leases", "State", "Alerts", "DeadLetters", "Outputs", "EncryptOutputs", "DecryptStream", "EncryptAlerts", "EncryptDeadLetters", "UseTables",
    ]
    error_message = "A key that was not known when it was planned is in the role's policy."
  }
  assert {
    condition     = toset(output.beside.alarm_names) == toset(["beside-heartbeat", "beside-lag", "beside-nothing-read", "beside-topic-fault"]) && length(output.anew.alarm_names) == 0
    error_message = "Alarms are made whose topic was not known when it was planned."
  }
  assert {
    condition     = [for s in jsondecode(output.beside.task_policy_json).Statement : s.Resource if s.Sid == "DecryptStream"] == [output.key_arn]
    error_message = "The stream's key is that of the resource."
  }
}
