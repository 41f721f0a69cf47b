import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { programFile } from '../../host/program-file.ts';
import type {
  AgentState,
  AggregateMessage,
  AggregateRequest,
  AuditQuery,
  AuditRow,
  Batch,
  EvidenceMessage,
  EvidenceQuery,
  HostCommand,
  HostMessage,
  HubMessage,
  Identity,
  JoinRequest,
  PolicyText,
  PublishRequest,
  Receipt,
  ReleaseMessage,
  RenewRequest,
  RolloutCommand,
  WorkloadMessage,
  WorkloadQuery,
} from './message.ts';

/** Every method that has one question and one answer. */
export interface UnaryMethods {
  'Enrollment/Join': [JoinRequest, Identity];
  'Enrollment/Renew': [RenewRequest, Identity];
  'Fleet/Report': [Batch, Receipt];
  'Admin/Publish': [PublishRequest, ReleaseMessage];
  'Admin/Rollout': [RolloutCommand, ReleaseMessage];
  'Admin/SetHost': [HostCommand, HostMessage];
  'Admin/SetWorkload': [WorkloadMessage, WorkloadMessage];
  'Admin/Policy': [WorkloadQuery, PolicyText];
}

/** Every method that has one question and a stream of answers. */
export interface StreamMethods {
  'Admin/Releases': [WorkloadQuery, ReleaseMessage];
  'Admin/Hosts': [WorkloadQuery, HostMessage];
  'Admin/Workloads': [WorkloadQuery, WorkloadMessage];
  'Admin/Aggregate': [AggregateRequest, AggregateMessage];
  'Admin/Audit': [AuditQuery, AuditRow];
  'Admin/Evidence': [EvidenceQuery, EvidenceMessage];
}

/** The method that has a stream both ways: what an agent sends, and what it gets. */
interface DuplexMethods {
  'Fleet/Watch': [AgentState, HubMessage];
}

export type Methods = UnaryMethods & StreamMethods & DuplexMethods;
export type ServiceName = 'Enrollment' | 'Fleet' | 'Admin';

const PACKAGE = 'bouheki.fleet.v1';

const SERVICES = loadSync(programFile('fleet/wire/fleet.proto'), {
  longs: Number,
  enums: String,
  defaults: true,
  arrays: true,
  oneofs: true,
});

/** The methods of a service, for a server. */
export function serviceDefinition(name: ServiceName): ServiceDefinition {
  return SERVICES[`${PACKAGE}.${name}`] as ServiceDefinition;
}

/** One method, for a client. */
export function methodDefinition(name: keyof Methods): MethodDefinition<object, object> {
  const [service, method] = name.split('/') as [ServiceName, string];
  return serviceDefinition(service)[method] as MethodDefinition<object, object>;
}

/** What an agent says of itself at most, bytes: a hub keeps the last of each. */
export const LARGEST_STATE = 64 * 1024;
/** What a hub sends in a message at most, bytes. */
export const LARGEST_ANSWER = 16 * 1024 * 1024;

/** Keys of the metadata that goes with a failure. */
export const WAIT_KEY = 'retry-after-ms';
export const REMEDY_KEY = 'remedy-bin';
