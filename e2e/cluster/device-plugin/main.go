// A device plugin for tests: offers one device file of its node as a resource, by the kubelet's own protocol.
//
//	mooring-device-plugin RESOURCE DEVICE [AS]     for example: e2e.mooring.dev/dongle /dev/fuse /dev/dongle
//
// The device is healthy while its file is there, as a dongle that is plugged in. It is looked for each half second, below
// NODE_ROOT where that is set: where a pod has the node's files.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

type plugin struct {
	api.UnimplementedDevicePluginServer
	device, as string
}

func (p *plugin) health() string {
	if _, err := os.Stat(os.Getenv("NODE_ROOT") + p.device); err != nil {
		return api.Unhealthy
	}
	return api.Healthy
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	said := ""
	for {
		if health := p.health(); health != said {
			said = health
			log.Printf("%s is %s", p.device, health)
			devices := []*api.Device{{ID: "0", Health: health}}
			if err := stream.Send(&api.ListAndWatchResponse{Devices: devices}); err != nil {
				return err
			}
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (p *plugin) Allocate(_ context.Context, asked *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for range asked.ContainerRequests {
		log.Printf("allocated %s as %s", p.device, p.as)
		device := &api.DeviceSpec{HostPath: p.device, ContainerPath: p.as, Permissions: "rw"}
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{Devices: []*api.DeviceSpec{device}})
	}
	return answer, nil
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: mooring-device-plugin RESOURCE DEVICE [AS]")
	}
	resource, p := os.Args[1], &plugin{device: os.Args[2], as: os.Args[2]}
	if len(os.Args) > 3 {
		p.as = os.Args[3]
	}
	socket := filepath.Join(api.DevicePluginPath, filepath.Base(resource)+".sock")
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, p)
	go func() { log.Fatal(server.Serve(listener)) }()
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	request := &api.RegisterRequest{Version: api.Version, Endpoint: filepath.Base(socket), ResourceName: resource}
	if _, err := api.NewRegistrationClient(connection).Register(context.Background(), request); err != nil {
		log.Fatal(err)
	}
	log.Printf("registered %s", resource)
	select {}
}
